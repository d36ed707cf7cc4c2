from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_document_of_the_settings_is_that_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_module("bssci.cli.settings_document", run_name="__main__")
    assert capsys.readouterr().out == (ROOT / "docs" / "settings.md").read_text(), "make docs"
