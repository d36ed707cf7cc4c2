"""Files are read and written the same whatever the locale is: every text has its encoding named."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENCODING_AT = {"read_text": 0, "write_text": 1, "open": 3}
"""position of the encoding among the arguments of a function; the last one is the built-in"""


def unnamed(source: str) -> Iterator[str]:
    """Yield each call that leaves the encoding to the locale."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Attribute(attr="read_text" | "write_text" as name) | ast.Name(id="open" as name):
                pass
            case _:
                continue
        named = len(node.args) > ENCODING_AT[name] or any(each.arg == "encoding" for each in node.keywords)
        if not named and not (name == "open" and _is_binary(node)):
            yield ast.unparse(node)


def _is_binary(call: ast.Call) -> bool:
    return any(isinstance(each, ast.Constant) and "b" in str(each.value) for each in call.args[1:2])


@pytest.mark.parametrize("folder", ["bssci", "twisted"])
def test_no_text_depends_on_the_locale(folder: str) -> None:
    found = {str(path): [*unnamed(path.read_text("utf-8"))] for path in (ROOT / folder).rglob("*.py")}
    assert {path: calls for path, calls in found.items() if calls} == {}


def test_a_call_without_an_encoding_is_seen() -> None:
    wrong = "a.read_text(); a.write_text('x'); open('a'); open('a', 'w')"
    right = "a.read_text('utf-8'); a.write_text('x', encoding='ascii'); open('a', 'rb'); a.read_bytes()"
    assert len([*unnamed(wrong)]) == 4 and [*unnamed(right)] == []
