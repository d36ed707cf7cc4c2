"""``make docs``: prints ``docs/metrics.md``."""

from __future__ import annotations

from bssci.web.api.metrics_table import documentation

if __name__ == "__main__":
    print(documentation(), end="")
