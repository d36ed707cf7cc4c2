"""What docs/decoders.md says of decoders is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bssci.decoders.blueprint_fields import _NUMBERS, _TEXTS
from bssci.decoders.expressions import FUNCTIONS
from bssci.decoders.library import build_library, examples_of
from bssci.decoders.quantities import QUANTITIES

TEXT = (Path(__file__).parents[2] / "docs" / "decoders.md").read_text("utf-8")
FILES = [
    (f"shown.{'js' if kind == 'js' else 'json'}", text)
    for kind, text in re.findall(r"```(json|js)\n(.*?)```", TEXT, re.DOTALL)
]


@pytest.mark.parametrize("number", range(len(FILES)))
def test_its_files_are_decoders_whose_examples_are_right(number: int) -> None:
    library = build_library(dict([FILES[number]]))
    assert library.problems == ()
    results = examples_of(library.decoders["shown"])
    assert all(result.passed for result in results)
    assert results or "dataPoints" in FILES[number][1]


def test_every_name_stands_beside_its_unit() -> None:
    rows = dict(re.findall(r"^\| (\S.*?) \| (`.*`) \|$", TEXT, re.MULTILINE))
    kinds = {"bool": "yes or no", "count": "a count", "text": "a text", "number": "none"}
    for quantity in QUANTITIES:
        assert f"`{quantity.name}`" in rows[quantity.unit or kinds[quantity.kind]].split(", ")


def test_every_type_and_function_is_named() -> None:
    for name in (*_NUMBERS, *_TEXTS):
        assert re.search(rf"`{name}`|`{name}:|`{name} ", TEXT) or f"(or `{name}`" in TEXT
    listed = re.search(r"`abs\(x\)` … \| `(.*)` \|", TEXT)
    assert listed is not None
    assert set(listed[1].split()) == FUNCTIONS.keys() - {"abs", "int"}
