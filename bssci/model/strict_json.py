"""JSON according to the standard: no NaN, no Infinity, and no text that UTF-8 cannot hold."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import msgspec

DEEPEST = 500
"""levels of objects and arrays that are read; Python from 3.12 on reads more than its functions can follow"""
_TEXT_OR_CONSTANT = re.compile(r'"(?:\\.|[^"\\])*"|(?P<constant>NaN|-?Infinity)')
_blank: Any = re.compile(r"[ \t\n\r]*").match
_decode = msgspec.json.Decoder().decode


class JsonError(ValueError):
    """A text is not JSON; the message says what is wrong, with line and column where they are known."""


def read_json(data: str | bytes, lenient: bool = False) -> Any:
    """Return the value of a JSON text; a byte order mark in front of bytes is skipped.

    :param lenient: accept NaN, Infinity and lone surrogates too, for a caller that checks many entries
        and reports in which of them they are.
    :raises JsonError: the text is not JSON.
    """
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        value = _lenient(text) if lenient else _strict(text)
        check_depth(value, text.count("[") + text.count("{"))
        return value
    except json.JSONDecodeError as error:
        raise JsonError(f"not JSON at line {error.lineno} column {error.colno}: {error.msg}") from None
    except UnicodeError:
        raise JsonError("not JSON in UTF-8") from None
    except RecursionError:
        raise JsonError("not readable as JSON: nested too deeply") from None
    except ValueError as error:  # a number with thousands of digits
        raise JsonError(f"not readable as JSON: {error}") from None


def read_json_fast(data: bytes) -> Any:
    """Return the value of a JSON text in UTF-8, as strictly as :func:`read_json` and several times as fast.

    For messages that come by the thousand. A byte order mark is refused.

    :raises JsonError: the text is not JSON; the message does not say where.
    """
    try:
        value = _decode(data)
        check_depth(value, data.count(b"[") + data.count(b"{"))
        return value
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise JsonError("not JSON") from None
    except RecursionError:
        raise JsonError("JSON nested too deeply") from None


def standard_json(text: str) -> Any:
    """Return the value of a JSON text, refusing NaN and Infinity but accepting lone surrogates.

    :raises json.JSONDecodeError: the text is not JSON.
    :raises ValueError: a number has thousands of digits.
    :raises RecursionError: it is nested too deeply.
    """

    return json.loads(text, parse_constant=_refusing(text))


def array_items(text: str, lenient: bool = False) -> Iterator[Any]:
    """Yield the values of a JSON array one by one, as strictly as :func:`standard_json`.

    ``json.loads`` lets no other thread run before it has read the whole text: a fifth of a second for 100 000
    sensors.

    :param lenient: accept NaN and Infinity.
    :raises TypeError: the text is JSON, but no array.
    """
    decoder = json.JSONDecoder(parse_constant=None if lenient else _refusing(text))
    place = _blank(text, 0).end()
    if text[place : place + 1] != "[":
        standard_json(text)
        raise TypeError("not an array")
    place = _blank(text, place + 1).end()
    is_over = text[place : place + 1] == "]"
    while not is_over:
        value, place = decoder.raw_decode(text, place)
        yield value
        place = _blank(text, place).end()
        is_over = text[place : place + 1] == "]"
        if not is_over:
            if text[place : place + 1] != ",":
                raise json.JSONDecodeError("Expecting ',' delimiter", text, place)
            place = _blank(text, place + 1).end()
    place = _blank(text, place + 1).end()
    if place != len(text):
        raise json.JSONDecodeError("Extra data", text, place)


def _refusing(text: str) -> Callable[[str], NoReturn]:
    def refuse(constant: str) -> NoReturn:
        places = (match for match in _TEXT_OR_CONSTANT.finditer(text) if match["constant"])
        raise json.JSONDecodeError(f"{constant} is not a JSON value", text, next(places).start())

    return refuse


def check_depth(value: Any, brackets: int) -> None:
    """Check that a value is not nested more deeply than :data:`DEEPEST`.

    :param brackets: how many its text has, or more; a value cannot be nested more deeply than that.
    :raises RecursionError: it is nested too deeply.
    """
    if brackets <= DEEPEST:
        return
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer if type(outer) is list else ())
            if type(inner) in (dict, list)
        ]
        if not level:
            return
    raise RecursionError


def _lenient(text: str) -> Any:
    is_array = text.startswith("[", _blank(text, 0).end())
    return list(array_items(text, lenient=True)) if is_array else json.loads(text)


def _strict(text: str) -> Any:
    value = standard_json(text)
    # An escape may stand for a lone surrogate, which can be neither stored nor sent.
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value
