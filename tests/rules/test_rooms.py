"""The floors of the house: a room imports only what stands below it, and no imports run in a circle."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.rules.source import statements, within

ROOT = Path(__file__).parents[2]
FLOORS: tuple[tuple[str, ...], ...] = (
    ("service", "tap", "cli"),
    ("extensions", "plugins"),
    ("sinks", "sources", "web", "notices"),
    ("center",),
    ("stations", "mqtt", "kafka"),
    ("settings", "journal", "decoders", "certificates"),
    ("system", "wire", "model"),
)
"""rooms of the service, the highest floor first: the table of docs/architecture.md"""
BESIDE = {
    "tap": {"service"},
    "cli": {"service"},
    "plugins": {"extensions"},
    "extensions": {"plugins"},
    "notices": {"sinks"},
    "settings": {"certificates"},
    "simulator": {"wire", "model", "system", "mqtt", "scanner"},
    "scanner": {"model", "system", "mqtt"},
    "stream": {"model", "system", "mqtt"},
}
"""what a room may import beside the floors below; programs of their own: instead of these"""
PROGRAMS = {"simulator", "scanner", "stream"}
"""rooms that are programs of their own"""
PURE = {
    "twisted", "OpenSSL", "asyncio", "threading", "time", "datetime", "random", "secrets", "os", "pathlib",
    "socket", "ssl", "sqlite3", "subprocess", "logging",
}  # fmt: skip
REACTOR = "twisted.internet.reactor"
NO_SOCKETS = {REACTOR, "twisted.web", "klein", "paho", "socket", "ssl", "OpenSSL"}
MUST_NOT_KNOW = {
    "wire": PURE,
    "model": PURE - {"datetime"},  # it writes times as text, and asks for none
    "decoders": PURE,
    "journal": NO_SOCKETS,
    "center": NO_SOCKETS | {"sqlite3", "bssci.wire"},
    "stations": {REACTOR, "twisted.web", "klein", "paho", "sqlite3"},
    "mqtt": {REACTOR, "twisted.web", "klein", "sqlite3"},
    "sinks": {"klein", "sqlite3", "bssci.stations", "bssci.wire"},
    "sources": {"klein", "sqlite3", "twisted.web", "bssci.stations", "bssci.wire"},
    "notices": {"klein", "sqlite3", "bssci.center.alarms.conditions", "bssci.center.alarms.guard"},
    "web": {REACTOR, "paho", "sqlite3", "bssci.wire", "bssci.stations.protocol"},
}
"""names that a room does without beside those of the floors above"""
MODULES = sorted((ROOT / "bssci").rglob("*.py"))


def name_of(path: Path) -> str:
    """A module's name in full; a package's for its ``__init__``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path): path for path in MODULES}


def room_of(name: str) -> str:
    """``bssci`` for the package itself, which every room may import."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "bssci"


def allowed_to(room: str) -> set[str]:
    """The rooms that a room may import."""
    if room in PROGRAMS:
        return BESIDE[room]
    floor = next(number for number, rooms in enumerate(FLOORS) if room in rooms)
    below = {other for rooms in FLOORS[floor + 1 :] for other in rooms}
    programs = PROGRAMS if room == "cli" else set()
    return below | BESIDE.get(room, set()) | programs


@cache
def imports(name: str) -> tuple[str, ...]:
    """What a module imports, each name in full, also where only types are needed."""
    return tuple(_imports(statements(NAMES[name])))


def _imports(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_of(imported: str) -> str | None:
    """The module of ours that an imported name is, or belongs to."""
    while imported and imported not in NAMES:
        imported = imported.rpartition(".")[0]
    return imported or None


def violations(room: str, names: Iterable[str]) -> list[str]:
    """The names that a module of a room must not import, of these."""
    found = []
    for imported in names:
        parts = imported.split(".")
        if parts[0] == "bssci":
            other = room_of(module_of(imported) or imported)
            if other not in (room, "bssci") and other not in allowed_to(room):
                found.append(imported)
                continue
        if any(imported == name or imported.startswith(f"{name}.") for name in MUST_NOT_KNOW.get(room, ())):
            found.append(imported)
    return found


def graph(group: Mapping[str, str]) -> dict[str, set[str]]:
    """What imports what: the modules, or the groups that ``group`` puts them in."""
    arrows: dict[str, set[str]] = {each: set() for each in group.values()}
    for name in NAMES:
        for imported in imports(name):
            other = module_of(imported) if imported.startswith("bssci") else None
            if other is not None and group[other] != group[name]:
                arrows[group[name]].add(group[other])
    return arrows


def circles(arrows: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The groups of nodes that can all be reached from each other."""
    reach: dict[str, set[str]] = {}
    for start in arrows:
        seen: set[str] = set()
        waiting = list(arrows[start])
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen.add(node)
                waiting.extend(arrows[node])
        reach[start] = seen
    found = {
        tuple(sorted(other for other in reach[node] if node in reach[other]))
        for node in arrows
        if node in reach[node]
    }
    return [list(each) for each in sorted(found)]


KITS = {"bssci.decoders.testing", "bssci.sinks.testing", "bssci.sources.testing"}
"""modules for tests, which wait on the reactor, draw bytes and measure time"""


def test_a_room_imports_only_what_stands_below_it() -> None:
    inside = [name for name in NAMES if room_of(name) != "bssci"]
    found = {(name, each) for name in inside for each in violations(room_of(name), imports(name))}
    assert found - {(name, each) for name in KITS for each in (REACTOR, "random", "time")} == set()


def test_no_import_hides() -> None:
    assert [name for name in NAMES if "TYPE_CHECKING" in NAMES[name].read_text()] == []


def test_nothing_but_the_journal_knows_how_it_is_kept() -> None:
    outside = [name for name in NAMES if not name.startswith("bssci.journal")]
    found = [
        name for name in outside if any(each.startswith("bssci.journal.sqlite") for each in imports(name))
    ]
    assert found == []


CLOCKS = {"time.time", "time.monotonic", "time.perf_counter", "time.sleep", "datetime.now", "datetime.today"}
THEIR_OWN_TIME = KITS | {
    "bssci.system.utc",
    "bssci.system.files",  # ages of files, by the clock of the file system
    "bssci.journal.sqlite.worker",
    "bssci.journal.sqlite.inspection",
    "bssci.kafka.consuming",  # rests in a thread, which no reactor can wake
}
"""modules that look at a clock themselves; all others are given one"""


def test_the_clock_is_passed_in() -> None:
    doors = {"cli"} | PROGRAMS
    found = {
        (name, ast.unparse(node.func))
        for name in NAMES
        if name not in THEIR_OWN_TIME and room_of(name) not in doors
        if any(f"{each}(" in NAMES[name].read_text() for each in CLOCKS)
        for node in ast.walk(statements(NAMES[name])[0])
        if isinstance(node, ast.Call) and ast.unparse(node.func) in CLOCKS
    }
    assert found == set()


def test_every_room_has_its_place() -> None:
    rooms = {room for floor in FLOORS for room in floor} | PROGRAMS
    assert {room_of(name) for name in NAMES} - {"bssci"} <= rooms


def test_no_circle_of_modules() -> None:
    assert circles(graph({name: name for name in NAMES})) == []


def test_no_circle_of_wings() -> None:
    """The folders of a room; what stands at the room's own door is left out."""
    wings = {name: ".".join(name.split(".")[:3]) if name.count(".") > 2 else name for name in NAMES}
    assert [circle for circle in circles(graph(wings)) if any(each.count(".") > 1 for each in circle)] == []


PLAN = (ROOT / "docs" / "architecture.md").read_text()


def test_the_documentation_draws_the_same_table() -> None:
    drawn: dict[str, list[str]] = {}
    for floor, cell in re.findall(r"^\| (\d|-) \| (.*?) \|", PLAN, re.MULTILINE):
        drawn.setdefault(floor, []).extend(re.findall(r"`bssci/(\w+)", cell))
    programs = drawn.pop("-")
    assert [set(drawn[floor]) for floor in sorted(drawn, reverse=True)] == [set(rooms) for rooms in FLOORS]
    assert set(programs) == PROGRAMS


def test_the_documentation_names_what_is_there() -> None:
    """A name is a path from the top, from the package, or from the folder of another one in its line."""
    names = set(re.findall(r"`([\w./]+?\.(?:py|sql|md|json)|[\w./]+/)`", PLAN))
    known = [path for path in ("", *(f"bssci/{room.name}" for room in (ROOT / "bssci").iterdir())) if path]
    places = [ROOT, ROOT / "bssci", *(ROOT / path for path in known), *(ROOT / "bssci" / "center").iterdir()]
    assert [name for name in sorted(names) if not any((place / name).exists() for place in places)] == []
    assert len(names) > 50


NAMED = {"mqtt", "kafka", "postgres", "webhook"}
"""names of sinks and sources"""
OF_SINKS = {"sinks", "sources", "mqtt", "kafka", "notices", "plugins"} | PROGRAMS
"""rooms that know one by its name"""
SPEAKS_MQTT = {"bssci.web.door.handshake", "bssci.web.api.asyncapi", "bssci.certificates.provisioned"}
"""modules for which it is a protocol: of the live stream, and of devices with certificates of ours"""
SHOWS_THEM = {"bssci.cli.demo", "bssci.cli.demo_gateways"}
"""a demonstration of certain sinks"""


def test_no_sink_is_named_outside_its_room() -> None:
    outside = [name for name in NAMES if room_of(name) not in OF_SINKS]
    found = {
        (name, node.value)
        for name in outside
        if name not in SPEAKS_MQTT | SHOWS_THEM
        if any(f'"{each}"' in NAMES[name].read_text() for each in NAMED)
        for node in ast.walk(statements(NAMES[name])[0])
        if isinstance(node, ast.Constant) and node.value in NAMED
    }
    assert found == set()


ENTERS = {"record", "note", "around", "record_shell_change"}
"""methods of the audit log that write an entry"""


def entries(tree: ast.AST) -> list[str]:
    """The calls of a module that write an entry of the audit log."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [ast.unparse(func) for func in calls if isinstance(func, ast.Attribute) and func.attr in ENTERS]


def test_no_route_writes_an_entry_of_the_audit_log() -> None:
    """Commands do, whoever gives them."""
    routes = [name for name in NAMES if name.startswith(("bssci.web.api", "bssci.web.pages"))]
    assert {(name, each) for name in routes for each in entries(statements(NAMES[name])[0])} == set()
    assert [name for name in routes if "bssci.center.recorder.Recorder" in imports(name)] == []
    assert len(routes) > 30


def test_an_entry_of_a_route_is_seen() -> None:
    source = "async def f():\n    async with self._audit.around(by):\n        await audit.record(by)"
    assert sorted(entries(ast.parse(source))) == ["audit.record", "self._audit.around"]


def test_a_violation_is_seen() -> None:
    def found_in(room: str, source: str) -> list[str]:
        return violations(room, _imports(within(ast.parse(source))))

    assert found_in(
        "center", "from bssci.sinks.mqtt import sink\nfrom bssci.wire import frame\nimport sqlite3"
    ) == [
        "bssci.sinks.mqtt.sink",
        "bssci.wire.frame",
        "sqlite3",
    ]
    assert found_in("journal", "from bssci import center, __version__") == ["bssci.center"]
    assert found_in("stations", "from twisted.internet import reactor, defer") == [REACTOR]
    assert found_in("sources", "from bssci.stations.station import Station") == [
        "bssci.stations.station.Station"
    ]
    assert found_in("web", "from bssci.stations.protocol import StationFactory") == [
        "bssci.stations.protocol.StationFactory"
    ]
    assert found_in("wire", "import msgspec\nfrom bssci.wire import frame\nimport os.path") == ["os.path"]


def test_a_circle_is_seen() -> None:
    assert circles({"a": ["b"], "b": ["c"], "c": ["b"], "d": ["d"]}) == [["b", "c"], ["d"]]


@pytest.mark.parts
def test_every_door_opens_first() -> None:
    """A circle through a package's ``__init__`` shows only where a module is the first to be imported."""
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    for loaded in [each for each in sys.modules if each.split('.')[0] == 'bssci']:\n"
        "        del sys.modules[loaded]\n"
        "    importlib.import_module(name)\n"
    )
    names = ("tap", "service", "extensions", "cli.check", "sinks.mqtt.sink", "settings.table", "stations")
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *(f"bssci.{name}" for name in names)],
        cwd=ROOT,
        check=True,
        timeout=120,
    )
