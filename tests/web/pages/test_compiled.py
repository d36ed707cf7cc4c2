"""Compiled templates: kept, used again, and never believed when they are not of this text and code."""

from __future__ import annotations

import sys
from pathlib import Path

import jinja2
import pytest
from jinja2 import FileSystemLoader

from bssci.web.pages.compiled import CompiledTemplates
from bssci.web.pages.table import environment


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "page.html").write_text("one {{ 2 + 3 }}")
    (tmp_path / "filters.py").write_text("")
    return tmp_path


def show(folder: Path) -> str:
    pages = environment(FileSystemLoader(folder), CompiledTemplates(folder, folder))
    return pages.get_template("page.html").render()


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the templates that were compiled."""
    names: list[str] = []
    compile_ = jinja2.Environment.compile

    def compile_and_count(self: jinja2.Environment, source: str, name: str, *args: object) -> object:
        names.append(name)
        return compile_(self, source, name, *args)  # type: ignore[call-overload]

    monkeypatch.setattr(jinja2.Environment, "compile", compile_and_count)
    return names


def kept(folder: Path) -> list[Path]:
    return list((folder / "__pycache__").glob("*"))


def test_a_template_is_compiled_once(folder: Path, compiled: list[str]) -> None:
    assert [show(folder), show(folder)] == ["one 5", "one 5"]
    assert compiled == ["page.html"]


def test_a_changed_template_is_compiled_again_into_the_same_file(folder: Path) -> None:
    show(folder)
    (folder / "page.html").write_text("two")
    assert show(folder) == "two"
    assert len(kept(folder)) == 1


def test_changed_code_has_templates_compiled_again(folder: Path, compiled: list[str]) -> None:
    show(folder)
    (folder / "filters.py").write_text("changed = True")
    show(folder)
    assert len(compiled) == 2


@pytest.mark.parametrize("size", [0, 10, 60, -10])
def test_a_damaged_file_is_compiled_again(folder: Path, compiled: list[str], size: int) -> None:
    show(folder)
    (file,) = kept(folder)
    file.write_bytes(file.read_bytes()[:size])
    assert show(folder) == "one 5"
    assert len(compiled) == 2


def test_a_folder_that_takes_no_file_is_as_good_as_none(folder: Path) -> None:
    (folder / "__pycache__").write_text("a file")
    assert show(folder) == "one 5"


def test_nothing_is_written_where_python_may_not(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert show(folder) == "one 5"
    assert not kept(folder)
