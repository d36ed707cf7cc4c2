"""Docstrings that a tooltip can show: each first line names a value or says what a function does."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.rules.source import statements, within

PACKAGE = Path(__file__).resolve().parents[2] / "bssci"

RIDDLES = {
    "how",
    "if",
    "it",
    "that",
    "those",
    "what",
    "whatever",
    "where",
    "whether",
    "which",
    "who",
    "whom",
    "whose",
}
"""First words of a relative clause or a pronoun, after which a reader has to ask "which?"."""

NO_VERBS = {
    *RIDDLES,
    "a",
    "all",
    "an",
    "as",
    "each",
    "every",
    "from",
    "in",
    "one",
    "per",
    "so",
    "the",
    "there",
}
"""First words of a function's docstring that are no imperative."""

ROOMS = sorted({module.relative_to(PACKAGE).parts[0] for module in PACKAGE.rglob("*.py")})
"""Rooms, and modules outside of rooms."""

DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


BESIDE = ("bench", "examples")
"""Folders beside the package that people read too."""


def functions(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield line and docstring of each function that is called as one: no property, no constructor."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name != "__init__":
            text = ast.get_docstring(node)
            if text and not any("property" in ast.unparse(each) for each in node.decorator_list):
                yield node.lineno, text


def no_verb(text: str) -> bool:
    """Return whether a function's docstring begins with anything but an imperative."""
    word = text.split(maxsplit=1)[0].rstrip(",.:;")
    return not word[:1].isalpha() or word.lower() in NO_VERBS


def docstrings(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str, bool]]:
    """Yield line, text and whether it stands first in its block, for each docstring of a module."""
    for node in nodes:
        if isinstance(node, DOCUMENTED):
            for number, statement in enumerate(node.body):
                match statement:
                    case ast.Expr(value=ast.Constant(value=str() as text)):
                        yield statement.lineno, text.strip(), number == 0


def fault(text: str, leading: bool) -> str | None:
    """Return the fault of a docstring's first word, or None; only a field's may be in lower case."""
    words = text.split(maxsplit=1)
    if not words:
        return "is empty"
    if len(words) < 2 and not leading:
        return f"is {words[0]!r} alone"
    if text.startswith("§"):
        return "begins with a section"
    word = words[0].rstrip(",.:;")
    if word.lower().partition("'")[0] in RIDDLES:
        return f"begins with {word!r}"
    if leading and word[0].islower():
        return f"begins with the lower-case word {word!r}"
    return None


@pytest.mark.parametrize("room", [*(f"bssci/{room}" for room in ROOMS), *BESIDE])
def test_docstrings_begin_with_a_noun_or_an_imperative(room: str) -> None:
    path = PACKAGE.parent / room
    found = []
    for module in [path] if path.is_file() else sorted(path.rglob("*.py")):
        for line, text, leading in docstrings(statements(module)):
            wrong = fault(text, leading)
            if wrong is not None:
                place = f"{module.relative_to(PACKAGE.parent)}:{line}"
                found.append(f"{place}: {wrong}: {text.partition(chr(10))[0]}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("folder", [*BESIDE, "bssci"])
def test_docstrings_of_functions_begin_with_an_imperative(folder: str) -> None:
    root = PACKAGE.parent
    found = [
        f"{module.relative_to(root)}:{line}: {text.partition(chr(10))[0]}"
        for module in sorted((root / folder).rglob("*.py"))
        for line, text in functions(statements(module))
        if no_verb(text)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("Return the time.", False),
        ("The time.", True),
        ("``size`` bits.", True),
        (":raises ValueError: always.", True),
        ("10 000 sensors.", True),
    ],
)
def test_the_check_sees_a_noun(text: str, wrong: bool) -> None:
    assert no_verb(text) is wrong


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ('"""What it must see."""', "begins with 'What'"),
        ('"""Seconds between two pings."""', None),
        ('"""seconds between two pings."""', "begins with the lower-case word 'seconds'"),
        ('"""It\'s known."""', 'begins with "It\'s"'),
        ('"""Facts."""\nLIMIT = 3\n"""How many stand how."""', "begins with 'How'"),
        ('"""Facts."""\nLIMIT = 3\n"""s between two pings."""', None),
        ('class Plan:\n    name: str\n    """That it has."""', "begins with 'That'"),
        ('async def ask() -> None:\n    """Whether asked."""', "begins with 'Whether'"),
        ('"""Facts."""\nPERIOD = 3\n"""s"""', "is 's' alone"),
        ('class Pings:\n    """§5.4"""', "begins with a section"),
    ],
)
def test_the_check_sees_a_riddle(source: str, wrong: str | None) -> None:
    faults = [fault(text, leading) for _, text, leading in docstrings(within(ast.parse(source)))]
    assert faults[-1] == wrong


def test_no_code_reads_docstrings() -> None:
    """Under ``python -OO`` there are none."""
    reading = [path for path in PACKAGE.rglob("*.py") if "__doc__" in path.read_text("utf-8")]
    assert reading == []
