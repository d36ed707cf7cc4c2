from __future__ import annotations

import pytest

from bssci.decoders.tokens import MAX_LENGTH, ExpressionError, Word, tokens


def test_words_come_with_their_columns() -> None:
    assert tokens(" $ * 0x1F", ()) == [
        Word("raw", "", 2),
        Word("operator", "*", 4),
        Word("number", "0x1F", 6),
        Word("end", "", 10),
    ]


def test_the_longest_name_that_fits_is_meant() -> None:
    names = ("Acc", "Acc X", "Temp")
    assert tokens("$Acc X", names)[0].text == "Acc X"
    assert tokens("$Acc+1", names)[0].text == "Acc"
    assert tokens("$Accel", names)[0].text == "Accel"


@pytest.mark.parametrize("text", ["a === b", "a >> b", "a ** b"])
def test_an_operator_is_as_long_as_it_can_be(text: str) -> None:
    assert [word.text for word in tokens(text, ())][:3] == text.split()


@pytest.mark.parametrize(
    ("text", "column"), [("1 # 2", 3), ("12abc", 3), ("'text'", 1), ("1" * (MAX_LENGTH + 1), MAX_LENGTH + 1)]
)
def test_what_is_no_word_is_named_by_its_column(text: str, column: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        tokens(text, ())
    assert caught.value.column == column


def test_a_reference_is_not_compared_with_each_of_a_thousand_names() -> None:
    class Names(frozenset[str]):
        looked_up = 0

        def __contains__(self, name: object) -> bool:
            self.looked_up += 1
            return super().__contains__(name)

    names = Names(f"{number:04}x" for number in range(1000))
    found = [word.text for word in tokens("$0007x + $0999x", names) if word.kind == "reference"]
    assert found == ["0007x", "0999x"]
    assert names.looked_up <= 2 * 5
