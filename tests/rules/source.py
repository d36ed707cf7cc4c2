"""The statements of source files, each file parsed once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


@cache
def statements(path: Path) -> tuple[ast.AST, ...]:
    """Return the module and every statement in it, as deep as they stand."""
    return tuple(within(ast.parse(path.read_text())))


def within(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the node, and every statement in its blocks; no expressions, which are many and hold none."""
    yield node
    for name in _BLOCKS:
        for each in getattr(node, name, ()):
            yield from within(each)
