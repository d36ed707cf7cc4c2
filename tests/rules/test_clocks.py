"""A unit test moves a clock of its own: what asks for the time of day, or waits, is marked `parts`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parents[1]
WHOLE = ("bench", "browser", "deploy", "e2e")
"""folders of which every test has real parts"""
CLOCKS = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep"}
CLOCKS |= {"process_time", "thread_time"}
"""functions of the module ``time`` that tell or take time"""
MENTIONED = re.compile(rf"\btime\.({'|'.join(CLOCKS)})\b|^from time ", re.M)
MARKS = {"parts", "postgres", "timescaledb", "mosquitto"}
ABOUT_TIME = {
    "decoders/test_testing.py: TestGauge": "a decoder that holds up the reactor, which the kit must find",
    "decoders/test_testing.py: test_a_fault_is_found": "the same",
    "sinks/test_testing.py: test_a_fault_is_found": "sinks that hold up the reactor, which the kit must find",
}
"""unit tests that are about time itself"""


def names_in(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)} | {
        each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)
    }


def asks(node: ast.AST) -> bool:
    """Return whether a part of a module calls a function of ``time``, or passes one on."""
    return any(
        isinstance(each, ast.Attribute)
        and each.attr in CLOCKS
        and isinstance(each.value, ast.Name)
        and each.value.id == "time"
        for each in ast.walk(node)
    )


def name_of(node: ast.AST) -> str:
    """Return the name that a part of a module defines; empty if it defines none."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
    return target.id if isinstance(target, ast.Name) else ""


def unmarked(source: str) -> Iterator[str]:
    """Yield the tests of a module that ask for the time, also by a helper, and have no real parts."""
    module = ast.parse(source)
    parts = {name_of(each): each for each in module.body if name_of(each)}
    if "pytestmark" in parts and names_in(parts["pytestmark"]) & MARKS:
        return
    for each in module.body:
        if isinstance(each, ast.ImportFrom) and each.module == "time":
            yield "from time import"
    uses = {name: names_in(part) for name, part in parts.items()}
    asking = {name for name, part in parts.items() if "time" in uses[name] and asks(part)}
    while more := {name for name, used in uses.items() if used & asking} - asking:
        asking |= more
    for name in sorted(asking):
        marks = getattr(parts[name], "decorator_list", [])
        if name.startswith(("test_", "Test")) and not any(names_in(each) & MARKS for each in marks):
            yield name


def test_unit_tests_ask_for_no_time_and_do_not_wait() -> None:
    found = set()
    for path in HERE.rglob("test_*.py"):
        place, source = path.relative_to(HERE).as_posix(), path.read_text()
        if not place.startswith(WHOLE) and MENTIONED.search(source):
            found |= {f"{place}: {name}" for name in unmarked(source)}
    assert found == ABOUT_TIME.keys()


def test_a_test_that_asks_for_the_time_is_seen() -> None:
    helper = "def until():\n    while time.monotonic() < 5: pass\n"
    assert list(unmarked(helper + "def test_it():\n    until()")) == ["test_it"]
    assert list(unmarked("def test_it():\n    time.sleep(1)")) == ["test_it"]
    assert list(unmarked("from time import sleep")) == ["from time import"]
    assert list(unmarked(helper + "@pytest.mark.parts\ndef test_it():\n    until()")) == []
    assert list(unmarked("pytestmark = pytest.mark.parts\n" + helper + "def test_it(): until()")) == []
    assert list(unmarked("def test_it(monkeypatch):\n    monkeypatch.setattr('time.sleep', print)")) == []
