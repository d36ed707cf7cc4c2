"""One name, one meaning: no two public classes or types of the package have the same name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TYPE = re.compile(r"^(?:class (?P<class>[A-Z]\w*)|(?P<alias>[A-Z]\w*[a-z]\w*) = (?!TypeVar\())", re.M)

SAME = {
    # The journal's interface and its implementation.
    *("Audit", "Cursors", "Downlinks", "Events", "History", "Inbox", "Requests", "Samples", "Sessions"),
    "Tables",
    # Protocols of a few lines, named for what they stand for.
    *("Answers", "DatabaseSession", "Decode", "Ingest", "Line", "Numbered"),
    # Rows of a report, as JSON has them.
    "Rows",
    # What a radio message says of its quality, on the wire, in the model, and as it is simulated.
    *("Signal", "Subpackets", "Byte", "Mode"),
}  # fmt: skip
"""names that stand twice for one thing"""


def types_of(source: str) -> Iterator[str]:
    """Yield the classes of a module and the names that it gives to types; type variables are left out."""
    for match in TYPE.finditer(source):
        yield match["class"] or match["alias"]


def twice(sources: dict[str, str]) -> dict[str, list[str]]:
    """Return the names of types that stand in two modules, and these."""
    places: dict[str, list[str]] = defaultdict(list)
    for place, source in sources.items():
        for name in set(types_of(source)):
            places[name].append(place)
    return {name: found for name, found in places.items() if len(found) > 1}


def test_one_name_has_one_meaning() -> None:
    sources = {
        str(path.relative_to(ROOT)): path.read_text() for path in sorted((ROOT / "bssci").rglob("*.py"))
    }
    assert {name: places for name, places in twice(sources).items() if name not in SAME} == {}


def test_the_check_sees_a_second_meaning() -> None:
    rest = "\nclass _Row: ...\nT = TypeVar('T')\nLIMIT = 3\nKey = TypeVar('Key')"
    sources = {"a.py": f"class Outcome:{rest}", "b.py": f"Outcome = int | str{rest}"}
    assert twice(sources) == {"Outcome": ["a.py", "b.py"]}
