"""Hand-written JSON: with comments, and with the line of every value for error messages."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from json import JSONDecoder
from typing import Any

MAX_CHARACTERS = 1_000_000
"""characters of a file, at most"""
MAX_DEPTH = 30
"""objects and lists within each other"""
MAX_VALUES = 100_000
"""values of a file in all"""

_STRING = JSONDecoder()
_SKIP = re.compile(r"(?:[ \t\r\n\ufeff]+|/\*.*?\*/|//[^\n]*)*", re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORDS = {"true": True, "false": False, "null": None}
_WORD = re.compile(r"true|false|null")


class DefinitionError(ValueError):
    """A decoder's file is wrong.

    :ivar reason: one line for people.
    :ivar line: where, from 1.
    """

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(f"line {line}: {reason}")
        self.reason = reason
        self.line = line


class Node:
    """A value of a document with its position, so that an error about it names the line."""

    __slots__ = ("line", "value", "where")

    def __init__(self, value: Any, line: int, where: str = "") -> None:
        self.value = value
        """a dict of nodes for an object, a list of nodes for a list"""
        self.line = line
        self.where = where
        """its key in the enclosing object"""

    def error(self, reason: str) -> DefinitionError:
        """Return the error to raise about this value."""
        return DefinitionError(f"{self.where}: {reason}" if self.where else reason, self.line)

    def members(self) -> Mapping[str, Node]:
        """Return the members of an object.

        :raises DefinitionError: it is not an object. The methods below raise the same for a value of another
            type.
        """
        if not isinstance(self.value, dict):
            raise self.error("must be an object")
        return self.value

    def items(self) -> list[Node]:
        """Return the elements of a list."""
        if not isinstance(self.value, list):
            raise self.error("must be a list")
        return self.value

    def get(self, key: str) -> Node | None:
        """Return a member of an object; None if it is absent or null."""
        found = self.members().get(key)
        return None if found is None or found.value is None else found

    def need(self, key: str) -> Node:
        """Return a member that must be there."""
        found = self.get(key)
        if found is None:
            raise self.error(f"{key} is missing")
        return found

    def text(self, most: int = 200) -> str:
        """Return the value as a string of at most ``most`` characters."""
        if not isinstance(self.value, str):
            raise self.error("must be a text")
        if len(self.value) > most:
            raise self.error(f"has more than {most} characters")
        return self.value

    def integer(self, least: int, most: int) -> int:
        """Return the value as a whole number between two bounds."""
        if self.value.__class__ is not int or not least <= self.value <= most:
            raise self.error(f"must be a whole number from {least} to {most}")
        return int(self.value)

    def number(self) -> float:
        """Return the value as a number."""
        if self.value.__class__ not in (int, float):
            raise self.error("must be a number")
        number: float = self.value
        return number

    def flag(self) -> bool:
        """Return the value of ``true`` or ``false``."""
        if not isinstance(self.value, bool):
            raise self.error("must be true or false")
        return self.value

    def plain(self) -> Any:
        """Return the value without its lines, as :func:`json.loads` gives it."""
        if isinstance(self.value, dict):
            return {key: member.plain() for key, member in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value


def parse(text: str) -> Node:
    """Read a document.

    :raises DefinitionError: it is not JSON, a key appears twice in an object, or a bound is exceeded.
    """
    if len(text) > MAX_CHARACTERS:
        raise DefinitionError(f"the file has more than {MAX_CHARACTERS} characters", 1)
    return _Reader(text).document()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._lines = [match.start() for match in re.finditer("\n", text)]
        self._left = MAX_VALUES

    def document(self) -> Node:
        node = self._value("", 0)
        self._skip()
        if self._place < len(self._text):
            raise self._error("there is text after the end")
        return node

    def _line(self) -> int:
        return bisect_right(self._lines, self._place) + 1

    def _error(self, reason: str) -> DefinitionError:
        return DefinitionError(reason, self._line())

    def _skip(self) -> None:
        match = _SKIP.match(self._text, self._place)
        assert match is not None  # it matches nothing at all, too
        self._place = match.end()

    def _peek(self) -> str:
        self._skip()
        if self._place >= len(self._text):
            raise self._error("the file ends too early")
        return self._text[self._place]

    def _value(self, where: str, depth: int) -> Node:
        character = self._peek()
        line = self._line()
        self._left -= 1
        if self._left < 0:
            raise self._error(f"more than {MAX_VALUES} values")
        if depth > MAX_DEPTH:
            raise self._error(f"deeper than {MAX_DEPTH}")
        if character == "{":
            return Node(dict(self._members(depth)), line, where)
        if character == "[":
            return Node(list(self._elements(where, depth)), line, where)
        if character == '"':
            return Node(self._string(), line, where)
        return Node(self._scalar(), line, where)

    def _members(self, depth: int) -> Iterator[tuple[str, Node]]:
        seen: set[str] = set()
        for _ in self._listed("}"):
            if self._peek() != '"':
                raise self._error("a key in quotes is expected")
            key = self._string()
            if key in seen:
                raise self._error(f"{key!r} appears twice")
            seen.add(key)
            if self._peek() != ":":
                raise self._error(f"a colon is missing after {key!r}")
            self._place += 1
            yield key, self._value(key, depth + 1)

    def _elements(self, where: str, depth: int) -> Iterator[Node]:
        for number, _ in enumerate(self._listed("]")):
            yield self._value(f"{where}[{number}]", depth + 1)

    def _listed(self, end: str) -> Iterator[None]:
        """Yield once for each entry up to the closing bracket."""
        self._place += 1
        if self._peek() == end:
            self._place += 1
            return
        while True:
            yield
            character = self._peek()
            if character not in {",", end}:
                raise self._error(f"',' or {end!r} is expected")
            self._place += 1
            if character == end:
                return
            if self._peek() == end:
                raise self._error("a comma too many")

    def _string(self) -> str:
        try:
            text, self._place = _STRING.raw_decode(self._text, self._place)
        except ValueError as error:
            raise self._error(f"a text is broken: {getattr(error, 'msg', error)}") from error
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise self._error("a text holds half a character (a lone surrogate)")
        return str(text)

    def _scalar(self) -> Any:
        word = _WORD.match(self._text, self._place)
        if word is not None:
            self._place = word.end()
            return _WORDS[word[0]]
        match = _NUMBER.match(self._text, self._place)
        if match is None:
            raise self._error(f"{self._text[self._place]!r} is not understood")
        if match.end() - match.start() > 40:
            raise self._error("a number has more than 40 characters")
        fraction = match[1] or match[2]
        value: float = float(match[0]) if fraction else int(match[0])
        if math.isinf(value):
            raise self._error("a number is too large")
        self._place = match.end()
        return value
