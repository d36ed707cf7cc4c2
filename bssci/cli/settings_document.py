"""``make docs``: prints ``docs/settings.md``."""

from __future__ import annotations

from bssci import extensions

if __name__ == "__main__":
    print(extensions.discover().catalogue.documentation(), end="")
