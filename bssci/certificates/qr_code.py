"""Client configurations as QR codes, for a page (SVG) or a terminal (text).

The library is imported with the first code: most services make none.
"""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import Any

import msgspec

QUIET = 4
"""modules around a code that stay white"""


class QrCodeError(Exception):
    """A code cannot be made: one line that says why."""


def is_installed() -> bool:
    """Return whether the library for QR codes is installed."""
    return find_spec("segno") is not None


def as_svg(configuration: bytes) -> bytes:
    """Return a code as SVG, black on white whatever the colours of the page.

    :param configuration: JSON.
    :raises QrCodeError: the library is missing, or the configuration is too long.
    """
    file = io.BytesIO()
    _code(configuration).save(
        file, kind="svg", border=QUIET, dark="#000", light="#fff", xmldecl=False, omitsize=True
    )
    return file.getvalue()


def in_terminal(configuration: bytes) -> str:
    """Return a code as characters. Raises what :func:`as_svg` raises."""
    file = io.StringIO()
    _code(configuration).terminal(file, border=QUIET, compact=True)
    return file.getvalue()


def _code(configuration: bytes) -> Any:
    if not is_installed():
        raise QrCodeError("QR codes need the library segno: pip install 'bssci[qr]'")
    import segno

    text = msgspec.json.format(configuration, indent=-1).decode()
    try:
        return segno.make_qr(text, error="m")
    except segno.DataOverflowError:
        raise QrCodeError(f"a QR code cannot hold a configuration of {len(text)} characters") from None
