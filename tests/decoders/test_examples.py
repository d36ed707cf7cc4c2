from __future__ import annotations

from pathlib import Path

import pytest

from bssci.decoders.library import build_library, examples_of

FILES = sorted((Path(__file__).parents[2] / "decoders").glob("*.json"))
LIBRARY = build_library({path.name: path.read_text("utf-8") for path in FILES})


def test_the_files_of_the_folder_are_decoders() -> None:
    assert [str(problem) for problem in LIBRARY.problems] == []
    assert {"water-meter", "climate-sensor", "leak-sensor"} <= set(LIBRARY.decoders)


@pytest.mark.parametrize("name", sorted(LIBRARY.decoders))
def test_their_examples_are_right(name: str) -> None:
    results = examples_of(LIBRARY.decoders[name])
    assert len(results) >= 2
    assert [result.differences for result in results if not result.passed] == []
