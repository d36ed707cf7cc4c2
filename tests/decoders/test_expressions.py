from __future__ import annotations

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bssci.decoders.expressions import MAX_LENGTH, ExpressionError, compile_expression
from bssci.decoders.interfaces import DecodeError

VALUES = {"Fix": 1, "Acc": 7, "Acc X": 40, "Acc X-1": 5, "Product_Version": 0b0101, "on": True}


def value(text: str, raw: float = 0) -> float:
    return compile_expression(text, VALUES)(raw, VALUES)


@pytest.mark.parametrize(
    ("text", "raw", "expected"),
    [
        # as blueprints of vendors have them
        ("$", 7, 7),
        ("$/10", 215, 21.5),
        ("$/8-10", 200, 15.0),
        ("($+18)/10", 12, 3.0),
        ("$ / 10.0 - 273.1", 2951, 22.0),
        ("$/256*1.3+3.0", 128, 3.65),
        ("floor((($/10 - 100)*100)+0.5)/100", 1234, 23.4),
        ("-$", 7, -7),
        ("$ / 10000000.0", 500_000_000, 50.0),
        ("($Product_Version & 0x01) == 0x01 && ($Fix) >= 1", 0, True),
        ("!$Fix", 0, False),
        ("!$on || $Fix == 1", 0, True),
        # names
        ("$Acc X + 1", 0, 41),
        ("$Acc X-1 + 1", 0, 6),
        ("$Acc + 1", 0, 8),
        ("$Acc*2", 0, 14),
        ("$value * 2", 3, 6),
        # precedence
        ("1 + 2 * 3", 0, 7),
        ("2 * 3 % 4", 0, 2),
        ("10 - 4 - 3", 0, 3),
        ("2 ** 3 ** 2", 0, 512),
        ("-2 ** 2", 0, -4),
        ("2 ** -1", 0, 0.5),
        ("1 << 2 + 1", 0, 8),
        ("$ & 2 == 2", 2, 0),
        ("($ & 2) == 2", 3, True),
        ("1 | 2 ^ 3 & 2", 0, 1),
        ("1 < 2 == 2 > 1", 0, True),
        ("0 || 1 && 0", 0, False),
        ("$ > 5 ? 1 : $ > 2 ? 2 : 3", 3, 2),
        ("- - 3", 0, 3),
        ("~0xF0 & 0xFF", 0, 0x0F),
        ("0b101 + .5", 0, 5.5),
        ("1e3", 0, 1000.0),
        # remainder as in JavaScript
        ("-7 % 3", 0, -1),
        ("7 % -3", 0, 1),
        ("7.5 % 2", 0, 1.5),
        # functions
        ("round(2.5) + round(-2.5)", 0, 1),
        ("round($ / 3, 2)", 1, 0.33),
        ("min(3, 1, 2) + max(4, $)", 9, 10),
        ("Math.sqrt(16) + abs(-1)", 0, 5.0),
        ("pow(10, 3) + log10(100) + ln(e) + log(8, 2)", 0, 1006.0),
        ("ceil(1.2) + trunc(-1.8) + sign(-3)", 0, 0),
        ("cos(pi) + Math.PI - pi", 0, -1.0),
        ("1.9 | 0", 0, 1),
    ],
)
def test_an_expression_has_the_value_of_its_operators(text: str, raw: float, expected: float) -> None:
    assert value(text, raw) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "column", "part"),
    [
        ("", 1, "a value is missing"),
        ("$ +", 4, "a value is missing"),
        ("($", 3, "')' is missing"),
        ("$)", 2, "unexpected"),
        ("$ $", 3, "unexpected"),
        ("$ # 1", 3, "'#' is not understood"),
        ("1x", 2, "ends in letters"),
        ("$nothing + 1", 1, "$nothing"),
        ("$Accel", 1, "$Accel"),
        ("1 + Acc", 5, "$Acc"),
        ("__import__('os')", 12, "is not understood"),
        ("eval(1)", 1, "no function 'eval'"),
        ("Math.constructor(1)", 1, "no function"),
        ("pow(1)", 1, "takes 2 values, not 1"),
        ("min()", 1, "takes 1 to 20"),
        ("1 ? 2", 6, "':' is missing"),
        ("1e999", 1, "too large"),
        ("0x1FFFFFFFFFFFFFFFF", 1, "64 bits"),
        ("(" * 100 + "1" + ")" * 100, 61, "deeper than 60"),
        ("-" * 100 + "1", 60, "deeper"),
        ("2**" * 100 + "1", 179, "deeper"),
        ("+1" * 100, 119, "deeper"),
        ("1 + " * MAX_LENGTH + "1", MAX_LENGTH + 1, "longer than"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, column: int, part: str) -> None:
    with pytest.raises(ExpressionError, match=f"character {column}$") as caught:
        compile_expression(text, VALUES)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1 / ($ - 5)", "division_by_zero"),
        ("$ % 0", "division_by_zero"),
        ("exp(10000)", "overflow"),
        ("(2 ** 64) ** (2 ** 64)", "overflow"),
        ("9 << 65", "overflow"),
        ("1 << -1", "overflow"),
        ("sqrt(-1)", "not_a_number"),
        ("log(0)", "not_a_number"),
        ("(-8) ** 0.5", "not_a_number"),
        ("$Gone + 1", "missing_value"),
    ],
)
def test_what_has_no_value_is_a_decode_error(text: str, code: str) -> None:
    expression = compile_expression(text, {*VALUES, "Gone"})
    with pytest.raises(DecodeError) as caught:
        expression(5, VALUES)
    assert caught.value.code == code
    assert text in caught.value.message


def test_whole_numbers_do_not_grow_for_ever() -> None:
    with pytest.raises(DecodeError, match="too large"):
        compile_expression("*".join(["$"] * 50))(2**100, {})


def test_a_right_side_that_is_not_needed_is_not_looked_at() -> None:
    assert value("$ == 0 || 1 / $ > 0", 0) is True
    assert value("$ != 0 && 1 / $ > 0", 0) is False


def test_what_an_expression_refers_to_is_known() -> None:
    assert compile_expression("$Acc X + $Fix * $", VALUES).references == {"Acc X", "Fix"}


INTEGERS = st.integers(-4, 4) | st.integers(-(2**31), 2**31)
OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<": operator.lt,
    "==": operator.eq,
}
LEVELS = {"*": 6, "+": 5, "-": 5, "<": 4, "==": 3, "&": 2, "^": 1, "|": 0}


@given(INTEGERS, st.lists(st.tuples(st.sampled_from(sorted(OPERATORS)), INTEGERS), max_size=12))
def test_a_row_of_operators_is_grouped_as_in_c(first: int, rest: list[tuple[str, int]]) -> None:
    text = f"({first})" + "".join(f" {sign} ({number})" for sign, number in rest)
    numbers, signs = [first], []  # reduced level by level, from the left

    for sign, number in rest:
        signs.append(sign)
        numbers.append(number)
    for level in sorted(set(LEVELS.values()), reverse=True):
        place = 0
        while place < len(signs):
            if LEVELS[signs[place]] == level:
                numbers[place] = OPERATORS[signs.pop(place)](numbers[place], numbers.pop(place + 1))
            else:
                place += 1
    assert compile_expression(text)(0, {}) == numbers[0]


@given(st.text(alphabet="$ 0123456789.exab()+-*/%<>=!&|^~?:,minpow_#'\\\n", max_size=60), INTEGERS)
def test_garbage_is_refused_or_gives_a_number(text: str, raw: int) -> None:
    try:
        result = compile_expression(text, {"ab", "a b"})(raw, {"ab": 3, "a b": 0})
    except (ExpressionError, DecodeError):
        return
    assert isinstance(result, int | float)
