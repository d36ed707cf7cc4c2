"""Analysis of Twisted's endpoint descriptions as texts, before anything is opened."""

from __future__ import annotations

import re

_PART = re.compile(r"(?:\\.|[^:\\])*")


def host_and_port(description: str) -> tuple[str, int] | None:
    """Return address and port of a TCP endpoint's description; None for others, such as inherited sockets."""
    name, *parts = (re.sub(r"\\(.)", r"\1", part) for part in _parts(description))
    named = dict(part.split("=", 1) for part in parts if "=" in part)
    port = named.get("port") or next((part for part in parts if "=" not in part), "")
    if name not in ("tcp", "tcp6", "mtls") or not port.isdigit():
        return None
    return named.get("interface") or ("::" if name == "tcp6" else "0.0.0.0"), int(port)


def _parts(description: str) -> list[str]:
    parts, place = [], 0
    while place <= len(description):
        match = _PART.match(description, place)
        assert match is not None
        parts.append(match[0])
        place = match.end() + 1
    return parts
