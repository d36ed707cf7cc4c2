"""The files that pages load: read once, with a tag made from their content; not listed anywhere."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bssci.web.http.call import Call
from bssci.web.http.errors import not_found
from bssci.web.http.replies import Reply
from bssci.web.http.routing import route

MAX_AGE = 3600
"""s for which browsers may keep a file that is requested with a version, as pages do; modules that load
each other are checked again each time
"""
_MORE_TYPES = {".js": "text/javascript", ".svg": "image/svg+xml", ".woff2": "font/woff2"}


@dataclass(frozen=True)
class _File:
    content: bytes
    zipped: bytes
    content_type: str
    tag: str


class StaticFiles:
    """All files below a directory, in memory."""

    def __init__(self, directory: Path) -> None:
        self._files = _files_below(directory)

    @route(
        "GET",
        "/static/{file}",
        None,
        "A file that pages load",
        page=True,
        content_type="application/octet-stream",
    )
    async def file(self, call: Call) -> Reply[bytes]:
        file = self._files.get(call.path["file"])
        if file is None:
            raise not_found("there is nothing here")
        caching = f"public, max-age={MAX_AGE}" if call.text("v") else "no-cache"
        headers = {"Cache-Control": caching, "ETag": file.tag, "Vary": "Accept-Encoding"}
        if call.header("if-none-match") == file.tag:
            return Reply(b"", file.content_type, 304, headers)
        if "gzip" in call.header("accept-encoding"):
            return Reply(file.zipped, file.content_type, 200, headers | {"Content-Encoding": "gzip"})
        return Reply(file.content, file.content_type, 200, headers)


@cache
def _files_below(directory: Path) -> dict[str, _File]:
    return {
        path.relative_to(directory).as_posix(): _read(path)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def _read(path: Path) -> _File:
    content = path.read_bytes()
    kind = _MORE_TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    return _File(content, gzip.compress(content, 9, mtime=0), kind, tag)
