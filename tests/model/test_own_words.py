"""A plugin's text about itself: one line, whatever the plugin does."""

from __future__ import annotations

from typing import Any

import pytest

from bssci.model.own_words import LONGEST, fault_of, one_line, own_words


class Mute:
    """A value, or the text of an exception, that cannot be made a text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class MuteError(Exception):
    __str__ = Mute.__str__


class Plugin:
    def __init__(self, trouble: Any) -> None:
        self._trouble = trouble

    @property
    def trouble(self) -> Any:
        if isinstance(self._trouble, Exception):
            raise self._trouble
        return self._trouble


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("nobody there", "nobody there"),
        ("", ""),
        (None, ""),
        (["a"], "['a']"),
        ("two\nlines", "two lines"),
        ("\x1b[31mred \ud800", "�[31mred �"),
        ("x" * 100_000, "x" * (LONGEST - 1) + "…"),
        (KeyError("no idea"), "its trouble cannot be read: KeyError: 'no idea'"),
        (OSError(), "its trouble cannot be read: OSError"),
        (MuteError(), "its trouble cannot be read: MuteError"),
        (Mute(), "its trouble cannot be read: RuntimeError: no text"),
    ],
)
def test_whatever_it_is_a_line_can_be_shown(said: Any, line: str) -> None:
    assert own_words(Plugin(said), "trouble") == line


def test_an_attribute_may_be_missing() -> None:
    assert own_words(object(), "trouble") == ""


def test_the_text_of_an_exception_is_one_line() -> None:
    assert fault_of(ValueError("a\nb")) == "ValueError: a b"
    assert one_line(" a \t b ") == "a b"
