"""``make docs``: prints ``docs/asyncapi.json``."""

from __future__ import annotations

import json

from bssci import __version__
from bssci.web.api.asyncapi import asyncapi_document

if __name__ == "__main__":
    print(json.dumps(asyncapi_document(__version__, "mioty"), indent=1, ensure_ascii=False))
