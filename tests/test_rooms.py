"""The floors of the house: each room imports only what stands below it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GROUND = {
    "model", "wire", "files", "fileset", "clock", "logs", "parsers", "settings", "certificates", "bundles",
    "server_tls", "endpoints", "settings_trial", "broker_trial", "decoders",
}  # fmt: skip
HOUSE = GROUND | {
    "journal", "center", "station", "sinks", "plugins", "simulator", "web", "cli", "tap", "service",
}  # fmt: skip
MAY_IMPORT = {
    "model": set(),
    "wire": set(),
    "files": set(),
    "fileset": {"files"},
    "clock": set(),
    "logs": set(),
    "parsers": {"model"},
    "settings": {"model", "files", "parsers"},
    "certificates": {"model"},
    "bundles": {"model", "files", "certificates"},
    "endpoints": {"model", "files"},
    "server_tls": {"certificates", "clock"},
    "settings_trial": {"certificates", "endpoints", "files", "settings"},
    "broker_trial": {"certificates", "settings"},
    "simulator": {"wire"},
    "decoders": {"model"},
    "journal": GROUND,
    "center": GROUND | {"journal"},
    "station": GROUND | {"journal", "center"},
    "sinks": GROUND | {"journal", "center", "plugins"},
    "plugins": GROUND | {"journal", "center", "sinks"},
    "web": GROUND | {"journal", "center"},
    "cli": HOUSE,
    "tap": HOUSE,
    "service": HOUSE,
}
IMPURE = {
    "twisted", "OpenSSL", "asyncio", "threading", "time", "datetime", "random", "secrets", "os", "pathlib",
    "socket", "ssl", "sqlite3", "subprocess", "logging",
}  # fmt: skip
REACTOR = "twisted.internet.reactor"
MUST_NOT_KNOW = {
    "wire": IMPURE,
    "model": IMPURE,
    "decoders": IMPURE,
    "journal": {REACTOR, "twisted.web", "klein", "paho", "socket", "ssl", "OpenSSL"},
    "center": {REACTOR, "twisted.web", "klein", "paho", "socket", "ssl", "OpenSSL", "sqlite3"},
    "station": {REACTOR, "twisted.web", "klein", "paho", "sqlite3"},
    "sinks": {"twisted.web", "klein", "sqlite3"},
    "settings": {"twisted"},
    "certificates": {"twisted"},
    "bundles": {"twisted"},
    "endpoints": {"twisted"},
}
MODULES = sorted((ROOT / "bssci").rglob("*.py"))


def room_of(path: Path) -> str:
    """``bssci`` for the package's own ``__init__``, which every room may import."""
    first = path.relative_to(ROOT / "bssci").parts[0]
    return "bssci" if first == "__init__.py" else first.removesuffix(".py")


def imports(source: str) -> Iterator[str]:
    """Every imported name in full, also where only types are needed."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def violations(room: str, source: str) -> list[str]:
    found = []
    for name in imports(source):
        parts = name.split(".")
        if parts[0] == "bssci":
            other = parts[1] if len(parts) > 1 and parts[1] in HOUSE else room
            if other != room and other not in MAY_IMPORT.get(room, set()):
                found.append(name)
        elif any(name == known or name.startswith(f"{known}.") for known in MUST_NOT_KNOW.get(room, ())):
            found.append(name)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_what_stands_below_it(path: Path) -> None:
    assert violations(room_of(path), path.read_text()) == []


def test_every_room_has_its_place() -> None:
    assert {room_of(path) for path in MODULES} - {"bssci"} <= set(MAY_IMPORT)


def test_a_violation_is_seen() -> None:
    assert violations("center", "from bssci.sinks.mqtt import client\nimport sqlite3") == [
        "bssci.mqtt.client",
        "sqlite3",
    ]
    assert violations("journal", "from bssci import center, __version__") == ["bssci.center"]
    assert violations("station", "from twisted.internet import reactor, defer") == [REACTOR]
    assert violations("wire", "import msgspec\nfrom bssci.wire import frame\nimport os.path") == ["os.path"]
