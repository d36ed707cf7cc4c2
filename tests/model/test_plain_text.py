from __future__ import annotations

import pytest

from bssci.model.plain_text import CONTROLS, control_fault, entered_faults, texts_of

BAD = ["a\nb", "\0", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u202eabc", "\u2066x"]


@pytest.mark.parametrize("text", BAD)
def test_what_takes_effect_where_it_is_shown_is_refused(text: str) -> None:
    assert control_fault(text) == CONTROLS
    for entry in ({"name": text}, {"tags": ["roof", text]}, {"location": {"text": text}}, {"decoder": text}):
        assert entered_faults(entry) == {next(iter(entry)): CONTROLS}
        assert entered_faults(entry, texts_of(entry)) == {}


def test_texts_of_all_languages_and_pictures_are_taken() -> None:
    for text in ("", "Dach Süd", "屋根", "سقف", "\u200fאבג", "👩\u200d🌾", "100 %", "a/b\\c"):
        assert control_fault(text) == ""


def test_only_notes_have_lines() -> None:
    assert entered_faults({"note": "one\r\n\ttwo"}) == {}
    assert entered_faults({"note": "one\0two", "tags": ["\0"]}) == {"note": CONTROLS, "tags": CONTROLS}
    assert entered_faults({"name": "one\ttwo"}) == {"name": CONTROLS}


def test_fields_without_texts_are_left_alone() -> None:
    assert entered_faults({"tags": None, "location": None, "parameters": {"a": "\0"}, "blocked": True}) == {}
