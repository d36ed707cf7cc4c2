"""Expressions of blueprints (``$ / 10 - 40``, ``$Fix == 1 && $Sats > 3``), compiled once into closures.

======================  ==================================================================
``$``                   the raw value of the component (``$value``, if no field has that name)
``$name``               the value of another component; names may hold spaces: ``$Acc X``
``1``, ``.5``, ``1e3``  numbers; ``0xFF`` and ``0b101`` as well; ``true``, ``false``, ``pi``, ``e``
``a ? b : c``           one of two, by a condition
``||``  ``&&``  ``!``   logic; the right side is not evaluated where the left decides
``|``  ``^``  ``&``     bits; also ``~``, ``<<``, ``>>``; fractions are cut off
``==``  ``!=``  ``<``   comparison; also ``<=``, ``>``, ``>=``, ``===``, ``!==``
``+ - * /``             ``/`` divides exactly: ``1 / 2`` is ``0.5``
``%``                   remainder with the sign of the left side, as in JavaScript and C
``**``                  power, from right to left
``f(a, b)``             see :data:`FUNCTIONS`; ``Math.f`` means the same
======================  ==================================================================

Precedence is that of C and JavaScript: ``$ & 1 == 1`` is ``$ & (1 == 1)``. Nothing is ever given to Python's
``eval``: an expression can compute numbers, and nothing else.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from bssci.decoders.interfaces import DecodeError
from bssci.decoders.tokens import MAX_LENGTH, ExpressionError, Word, tokens

__all__ = ["FUNCTIONS", "MAX_DEPTH", "MAX_LENGTH", "Expression", "ExpressionError", "compile_expression"]

MAX_DEPTH = 60
"""operators and parentheses within each other"""
MAX_SHIFT = 64
"""bits of a shift, at most"""
MAX_INTEGER_BITS = 4096
"""bits of an intermediate value; the caller bounds the result"""

Number = int | float
"""bool is an int"""
Variables = Mapping[str, Number]
Evaluate = Callable[[Number, Variables], Number]
"""function of the raw value and the other components' values; raises KeyError if one of these is missing"""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression."""

    text: str
    evaluate: Evaluate
    """the bare closure, for callers that handle ArithmeticError, ValueError and KeyError themselves"""
    references: frozenset[str]
    """names of the components that it uses"""
    exact: bool = False
    """true if the value is the float nearest to the true one for every whole raw value, so that it needs no
    rounding"""

    def __call__(self, raw: Number, values: Variables) -> Number:
        """Return the value.

        :raises DecodeError: there is no value: division by zero, an overflow, a missing component.
        """
        try:
            return self.evaluate(raw, values)
        except KeyError as error:
            raise DecodeError("missing_value", f"{self.text}: this payload has no {error.args[0]}") from error
        except (ArithmeticError, ValueError) as error:
            raise DecodeError(*fault(error, self.text)) from error


def fault(error: Exception, text: str) -> tuple[str, str]:
    """Return code and message for an exception of an expression."""
    if isinstance(error, ZeroDivisionError):
        return "division_by_zero", f"{text}: division by zero"
    if isinstance(error, OverflowError):
        return "overflow", f"{text}: the value is too large"
    return "not_a_number", f"{text}: the result is not a number"


def compile_expression(text: str, names: Collection[str] = (), raw_bits: int = 64) -> Expression:
    """Compile an expression.

    :param names: names of the components that it may refer to.
    :param raw_bits: size of the raw values, which decides whether the expression is exact.
    :raises ExpressionError: it is wrong, or refers to an unknown name.
    """
    known = frozenset(names)
    parser = _Parser(tokens(text, known), known, raw_bits)
    node = parser.whole()
    exact = node.precision > _ROUNDED and node.bits <= _MANTISSA
    return Expression(text, node.evaluate, frozenset(parser.references), exact)


# --- operators and functions


def _remainder(left: Number, right: Number) -> Number:
    if isinstance(left, int) and isinstance(right, int):
        rest = abs(left) % abs(right)
        return -rest if left < 0 else rest
    return math.fmod(left, right)


def _power(left: Number, right: Number) -> Number:
    """Return a power in floats, so that no expression computes forever; integers stay integers where they
    fit.
    """
    power = math.pow(left, right)
    if isinstance(left, int) and isinstance(right, int) and right >= 0 and abs(power) < 2**53:
        return int(power)
    return power


def _divide(left: Number, right: Number) -> Number:
    return left / right


def _multiply(left: Number, right: Number) -> Number:
    product = left * right
    if isinstance(product, int) and product.bit_length() > MAX_INTEGER_BITS:
        raise OverflowError
    return product


def _shift_left(left: Number, right: Number) -> Number:
    return _multiply(int(left), 1 << _shift(right))


def _shift_right(left: Number, right: Number) -> Number:
    return int(left) >> _shift(right)


def _shift(count: Number) -> int:
    if not 0 <= count <= MAX_SHIFT:
        raise OverflowError
    return int(count)


def _round(value: Number, digits: Number = 0) -> Number:
    """Round to the nearest, halves upwards, as JavaScript rounds."""
    if not 0 <= digits <= 15:
        raise ValueError
    if digits == 0:
        return math.floor(value + 0.5)
    scale = 10.0 ** int(digits)
    return math.floor(value * scale + 0.5) / scale


def _logarithm(value: Number, base: Number | None = None) -> Number:
    return math.log(value) if base is None else math.log(value, base)


class _Function(NamedTuple):
    call: Callable[..., Number]
    least: int
    most: int


FUNCTIONS: dict[str, _Function] = {
    "abs": _Function(abs, 1, 1),
    "min": _Function(lambda *values: min(values), 1, 20),
    "max": _Function(lambda *values: max(values), 1, 20),
    "round": _Function(_round, 1, 2),
    "floor": _Function(math.floor, 1, 1),
    "ceil": _Function(math.ceil, 1, 1),
    "trunc": _Function(math.trunc, 1, 1),
    "int": _Function(math.trunc, 1, 1),
    "sign": _Function(lambda value: (value > 0) - (value < 0), 1, 1),
    "sqrt": _Function(math.sqrt, 1, 1),
    "cbrt": _Function(lambda value: math.copysign(abs(value) ** (1 / 3), value), 1, 1),
    "pow": _Function(_power, 2, 2),
    "exp": _Function(math.exp, 1, 1),
    "ln": _Function(_logarithm, 1, 1),
    "log": _Function(_logarithm, 1, 2),
    "log2": _Function(math.log2, 1, 1),
    "log10": _Function(math.log10, 1, 1),
    "sin": _Function(math.sin, 1, 1),
    "cos": _Function(math.cos, 1, 1),
    "tan": _Function(math.tan, 1, 1),
    "asin": _Function(math.asin, 1, 1),
    "acos": _Function(math.acos, 1, 1),
    "atan": _Function(math.atan, 1, 1),
    "atan2": _Function(math.atan2, 2, 2),
}
"""functions by name: the function, and the least and largest number of values; ``log`` is natural, or to a
base
"""
CONSTANTS: dict[str, Number] = {"true": True, "false": False, "pi": math.pi, "e": math.e}

_BINARY: dict[str, tuple[int, Callable[[Number, Number], Number]]] = {
    "|": (3, lambda left, right: int(left) | int(right)),
    "^": (4, lambda left, right: int(left) ^ int(right)),
    "&": (5, lambda left, right: int(left) & int(right)),
    "==": (6, operator.eq),
    "===": (6, operator.eq),
    "!=": (6, operator.ne),
    "!==": (6, operator.ne),
    "<": (7, operator.lt),
    "<=": (7, operator.le),
    ">": (7, operator.gt),
    ">=": (7, operator.ge),
    "<<": (8, _shift_left),
    ">>": (8, _shift_right),
    "+": (9, operator.add),
    "-": (9, operator.sub),
    "*": (10, _multiply),
    "/": (10, _divide),
    "%": (10, _remainder),
}
_LOGIC = {"||": 1, "&&": 2}
_UNARY: dict[str, Callable[[Number], Number]] = {
    "-": operator.neg,
    "+": operator.pos,
    "!": operator.not_,
    "~": lambda value: ~int(value),
}


_ROUNDED, _NEAREST, _BINARY_FRACTION = range(3)
"""Precisions of a value: some error; the float next to the true value; the true value"""
_MANTISSA = 53
"""bits that a float holds exactly"""


class _Node(NamedTuple):
    evaluate: Evaluate
    depth: int
    precision: int = _ROUNDED
    bits: int = 0
    """number of bits that the value may have, if its precision is the true value"""
    constant: Number | None = None
    """its value, if it is a number in the text"""
    raw: bool = False
    """true if the node is ``$`` itself"""


class _Parser:
    """Precedence-climbing parser; makes closures, not a tree."""

    def __init__(self, words: list[Word], names: frozenset[str], raw_bits: int) -> None:
        self._words = words
        self._names = names
        self._raw = _Node(_raw, 1, _BINARY_FRACTION, raw_bits, raw=True)
        self._next = 0
        self._depth = 0
        self.references: set[str] = set()

    def whole(self) -> _Node:
        node = self._choice()
        word = self._words[self._next]
        if word.kind != "end":
            raise ExpressionError(f"unexpected {word.text or '$'!r}", word.column)
        return node

    def _choice(self) -> _Node:
        column = self._words[self._next].column
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError(f"deeper than {MAX_DEPTH}", column)
        node = self._binary(1)
        if self._take("?"):
            met = self._choice()
            self._expect(":")
            unmet = self._choice()
            node = _node(_chosen(node.evaluate, met.evaluate, unmet.evaluate), column, node, met, unmet)
        self._depth -= 1
        return node

    def _binary(self, lowest: int) -> _Node:
        left = self._unary()
        while True:
            word = self._words[self._next]
            level = _level(word)
            if level < lowest:
                return left
            self._next += 1
            right = self._binary(level + 1)
            joined = _node(_joined(word.text, left, right), word.column, left, right)
            precision, bits = _precision(word.text, left, right)
            left = joined._replace(precision=precision, bits=bits)

    def _unary(self) -> _Node:
        word = self._words[self._next]
        if word.kind == "operator" and word.text in _UNARY:
            self._next += 1
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise ExpressionError(f"deeper than {MAX_DEPTH}", word.column)
            operand = self._unary()
            self._depth -= 1
            return _node(_applied(_UNARY[word.text], operand), word.column, operand)
        base = self._primary()
        power = self._words[self._next]
        if power.kind == "operator" and power.text == "**":
            self._next += 1
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise ExpressionError(f"deeper than {MAX_DEPTH}", power.column)
            exponent = self._unary()
            self._depth -= 1
            return _node(_both(_power, base.evaluate, exponent.evaluate), power.column, base, exponent)
        return base

    def _primary(self) -> _Node:
        word = self._words[self._next]
        self._next += 1
        if word.kind == "number":
            return _constant(_number(word))
        if word.kind == "raw":
            return self._raw
        if word.kind == "reference":
            return self._reference(word)
        if word.kind == "word":
            return self._word(word)
        if word.kind == "operator" and word.text == "(":
            node = self._choice()
            self._expect(")")
            return node
        raise ExpressionError("a value is missing", word.column)

    def _reference(self, word: Word) -> _Node:
        name = word.text
        if name in self._names:
            self.references.add(name)
            return _Node(lambda raw, values: values[name], 1)
        if name == "value":
            return self._raw
        raise ExpressionError(f"${name} is not defined before this", word.column)

    def _word(self, word: Word) -> _Node:
        name = word.text.removeprefix("Math.")
        if not self._take("("):
            constant = CONSTANTS.get(name.lower() if word.text.startswith("Math.") else name)
            if constant is None:
                raise ExpressionError(f"{word.text!r} is unknown; a component is ${word.text}", word.column)
            return _constant(constant)
        function = FUNCTIONS.get(name)
        if function is None:
            raise ExpressionError(f"no function {word.text!r}", word.column)
        given: list[_Node] = []
        while not self._take(")"):
            if given:
                self._expect(",")
            given.append(self._choice())
        if not function.least <= len(given) <= function.most:
            wanted = (
                str(function.least)
                if function.least == function.most
                else f"{function.least} to {function.most}"
            )
            raise ExpressionError(f"{name} takes {wanted} values, not {len(given)}", word.column)
        return _node(_called(function.call, [node.evaluate for node in given]), word.column, *given)

    def _take(self, text: str) -> bool:
        word = self._words[self._next]
        if word.kind == "operator" and word.text == text:
            self._next += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise ExpressionError(f"{text!r} is missing", self._words[self._next].column)


def _level(word: Word) -> int:
    """Return how tightly an operator binds; 0 for a word that is not an operator."""
    if word.kind != "operator":
        return 0
    if word.text in _LOGIC:
        return _LOGIC[word.text]
    return _BINARY[word.text][0] if word.text in _BINARY else 0


def _node(evaluate: Evaluate, column: int, *parts: _Node) -> _Node:
    depth = 1 + max(part.depth for part in parts)
    if depth > MAX_DEPTH:
        raise ExpressionError(f"deeper than {MAX_DEPTH}: use parentheses or fewer operators", column)
    return _Node(evaluate, depth)


def _number(word: Word) -> Number:
    text = word.text.lower()
    if text.startswith("0x"):
        value: Number = int(text, 16)
    elif text.startswith("0b"):
        value = int(text, 2)
    elif text.isdecimal() and len(text) <= 20:
        value = int(text)
    else:
        value = float(text)
        if math.isinf(value):
            raise ExpressionError("the number is too large", word.column)
    if isinstance(value, int) and value.bit_length() > 64:
        raise ExpressionError("the number has more than 64 bits", word.column)
    return value


# --- closures


def _raw(raw: Number, values: Variables) -> Number:
    return raw


def _constant(value: Number) -> _Node:
    numerator, denominator = value.as_integer_ratio()
    bits = numerator.bit_length() + denominator.bit_length() - 1
    return _Node(
        lambda raw, values: value, 1, _BINARY_FRACTION if bits <= 32 else _ROUNDED, bits, constant=value
    )


def _precision(sign: str, left: _Node, right: _Node) -> tuple[int, int]:
    """Return the precision and bits of an operator's result; rounded unless it is known to be better."""
    if left.precision == right.precision == _BINARY_FRACTION:
        if sign in {"+", "-"}:
            return _BINARY_FRACTION, max(left.bits, right.bits) + 1
        if sign == "*":
            return _BINARY_FRACTION, left.bits + right.bits
        if sign == "/" and right.constant:
            power_of_two = right.constant.as_integer_ratio()[0].bit_count() == 1
            return _BINARY_FRACTION if power_of_two else _NEAREST, left.bits + right.bits
    return _ROUNDED, 0


def _chosen(condition: Evaluate, met: Evaluate, unmet: Evaluate) -> Evaluate:
    return lambda raw, values: met(raw, values) if condition(raw, values) else unmet(raw, values)


def _applied(operation: Callable[[Number], Number], operand: _Node) -> Evaluate:
    value = operand.evaluate
    return lambda raw, values: operation(value(raw, values))


def _called(function: Callable[..., Number], given: list[Evaluate]) -> Evaluate:
    if len(given) == 1:
        only = given[0]
        return lambda raw, values: function(only(raw, values))
    return lambda raw, values: function(*[value(raw, values) for value in given])


def _joined(sign: str, left: _Node, right: _Node) -> Evaluate:
    first, second = left.evaluate, right.evaluate
    if sign == "||":
        return lambda raw, values: bool(first(raw, values) or second(raw, values))
    if sign == "&&":
        return lambda raw, values: bool(first(raw, values) and second(raw, values))
    if right.constant is not None and right.constant.__class__ is not bool:
        quick = _with_constant(sign, left, right.constant)
        if quick is not None:
            return quick
    return _both(_BINARY[sign][1], first, second)


def _both(operation: Callable[[Number, Number], Number], first: Evaluate, second: Evaluate) -> Evaluate:
    return lambda raw, values: operation(first(raw, values), second(raw, values))


def _with_constant(sign: str, left: _Node, constant: Number) -> Evaluate | None:
    """Return a faster closure for the most common expressions: ``$ / 10``, ``… - 40``."""
    first = left.evaluate
    if left.raw:
        quick: dict[str, Evaluate] = {
            "/": lambda raw, values: raw / constant,
            "+": lambda raw, values: raw + constant,
            "-": lambda raw, values: raw - constant,
            "*": lambda raw, values: _multiply(raw, constant),
        }
    else:
        quick = {
            "/": lambda raw, values: first(raw, values) / constant,
            "+": lambda raw, values: first(raw, values) + constant,
            "-": lambda raw, values: first(raw, values) - constant,
            "==": lambda raw, values: first(raw, values) == constant,
        }
    return quick.get(sign)
