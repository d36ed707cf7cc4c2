from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_document_of_the_figures_is_that_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_module("bssci.cli.metrics_document", run_name="__main__")
    assert capsys.readouterr().out == DOCUMENT.read_text(), "make docs"
