"""Versions of BSSCI, and their negotiation for a connection (§5.3).

Another major version is refused, and the patch number is ignored. The service center answers with the highest
minor version that it supports and that is not above the requested one.
"""

from __future__ import annotations

import re

from bssci.wire.errors import ErrorCode, ProtocolError

VERSION_1_0 = "1.0.0"
VERSION_1_1 = "1.1.0"
"""not published; known from stations in use, with a different ``attPrp``"""

_MAJOR = 1
_SUPPORTED = {0: VERSION_1_0, 1: VERSION_1_1}
_PATTERN = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})(?:\.([0-9]{1,9}))?")
_CONNECT = 0
"""the opId of the connect operation, in which versions are agreed on"""


def parse_version(text: str) -> tuple[int, int, int]:
    """Return (major, minor, patch) of ``major.minor`` or ``major.minor.patch``; a missing patch is 0.

    :raises ProtocolError: 71, if the text is not a version.
    """
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        raise ProtocolError(ErrorCode.EPROTO, "con: version must be major.minor.patch", _CONNECT)
    major, minor, patch = (int(number or 0) for number in match.groups())
    return major, minor, patch


def negotiate(requested: str) -> str:
    """Return the version to use on a connection whose station requests ``requested``.

    :raises ProtocolError: 71, if the text is not a version; 22, if its major version is not supported.
    """
    major, minor, _ = parse_version(requested)
    if major != _MAJOR:
        raise ProtocolError(ErrorCode.EINVAL, f"con: version {major} is not supported, {_MAJOR} is", _CONNECT)
    return _SUPPORTED[max(ours for ours in _SUPPORTED if ours <= minor)]


def is_1_1(version: str) -> bool:
    """Return whether a negotiated version is 1.1, the dialect with its own ``attPrp``."""
    return parse_version(version)[:2] == (1, 1)
