"""The tokens of an expression: numbers, names, operators, each with its column."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal, NamedTuple

MAX_LENGTH = 1000
"""characters of an expression"""


class ExpressionError(ValueError):
    """An expression is wrong.

    :ivar column: where: 1 is the first character.
    """

    def __init__(self, reason: str, column: int) -> None:
        super().__init__(f"{reason}, at character {column}")
        self.column = column


class Word(NamedTuple):
    """One token of an expression."""

    kind: Literal["number", "raw", "reference", "word", "operator", "end"]
    """``raw`` is ``$``, ``reference`` is ``$name``, ``word`` a function or a constant"""
    text: str
    column: int


_OPERATORS = ("===", "!==", "**", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", *"+-*/%<>!~&|^?:(),")
_TOKEN = re.compile(
    r"\s*(?:(?P<number>0[xX][0-9A-Fa-f]+|0[bB][01]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<word>[A-Za-z_][A-Za-z_0-9]*(?:\.[A-Za-z_][A-Za-z_0-9]*)?)"
    r"|(?P<operator>" + "|".join(map(re.escape, _OPERATORS)) + r"))"
)
_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[^\W0-9]\w*(?:\.\w+)?")


def tokens(text: str, names: Collection[str]) -> list[Word]:
    """Return the tokens of an expression; an ``end`` comes last.

    :param names: set of the names that ``$name`` may refer to; they may hold spaces and signs; the longest
        match is taken.
    :raises ExpressionError: a character belongs to no token.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"longer than {MAX_LENGTH} characters", MAX_LENGTH + 1)
    longest = max(map(len, names), default=0)
    found: list[Word] = []
    place = _skip_space(text, 0)
    while place < len(text):
        if text[place] == "$":
            token = _reference(text, place, names, longest)
            place += 1 + len(token.text)
        else:
            token, place = _word(text, place)
        found.append(token)
        place = _skip_space(text, place)
    found.append(Word("end", "", len(text) + 1))
    return found


def _skip_space(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    return match.end() if match else place


def _reference(text: str, place: int, names: Collection[str], longest: int) -> Word:
    start = place + 1
    for end in range(min(len(text), start + longest), start, -1):
        name = text[start:end]
        if name in names and not _goes_on(text, end, name):
            return Word("reference", name, place + 1)
    unknown = _NAME.match(text, start)
    if unknown is None:
        return Word("raw", "", place + 1)
    return Word("reference", unknown[0], place + 1)


def _goes_on(text: str, end: int, name: str) -> bool:
    """Return whether the name in the text continues after the match: ``$Accel`` is not ``Acc``."""
    return end < len(text) and _is_letter(name[-1]) and _is_letter(text[end])


def _is_letter(character: str) -> bool:
    return character.isalnum() or character == "_"


def _word(text: str, place: int) -> tuple[Word, int]:
    match = _TOKEN.match(text, place)
    if match is None:
        raise ExpressionError(f"{text[place]!r} is not understood", place + 1)
    kind = match.lastgroup
    if kind == "number":
        if match.end() < len(text) and _is_letter(text[match.end()]):
            raise ExpressionError("a number ends in letters", match.end() + 1)
        return Word("number", match[kind], place + 1), match.end()
    if kind == "word":
        return Word("word", match[kind], place + 1), match.end()
    return Word("operator", match["operator"], place + 1), match.end()
