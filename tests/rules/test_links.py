"""Links between documents lead to files and headings that are there."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = re.compile(r"```.*?```", re.S)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s#]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.M)


def documents() -> list[str]:
    places = (ROOT.glob("*.md"), *((ROOT / name).rglob("*.md") for name in ("deploy", "docs", "examples")))
    return sorted(
        str(path.relative_to(ROOT)) for paths in places for path in paths if "node_modules" not in path.parts
    )


def prose(path: Path) -> str:
    return CODE.sub("", path.read_text())


@cache
def anchors(path: Path) -> set[str]:
    """Anchors of a document's headings, as GitHub makes them."""
    found: Counter[str] = Counter()
    for heading in HEADING.findall(prose(path)):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading.lower())
        found[re.sub(r"[^\w\- ]", "", words).replace(" ", "-")] += 1
    return {f"{name}-{number}" if number else name for name in found for number in range(found[name])}


def broken(document: Path) -> list[str]:
    """Links of a document that lead nowhere."""
    lost = []
    for file, anchor in LINK.findall(prose(document)):
        target = document.parent / file if file else document
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            lost.append(f"{file}#{anchor}" if anchor else file)
    return lost


@pytest.mark.parametrize("name", documents())
def test_every_link_leads_somewhere(name: str) -> None:
    assert broken(ROOT / name) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# One `thing`\n\n# Two\n\n# Two\n")
    (tmp_path / "b.md").write_text(
        "[1](a.md#one-thing) [2](a.md#two-1) [3](c.md) [4](a.md#three) [5](#none) ```[6](c.md)``` [7](https://x/)"
    )
    assert broken(tmp_path / "b.md") == ["c.md", "a.md#three", "#none"]
