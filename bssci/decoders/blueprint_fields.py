"""The fields of a blueprint, read and checked, and compiled to a :class:`bssci.decoders.layouts.Layout`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from bssci.decoders import bits
from bssci.decoders.bits import BitValue, Interpret
from bssci.decoders.commented_json import Node
from bssci.decoders.expressions import Evaluate, Expression, ExpressionError, Number, compile_expression
from bssci.decoders.layouts import FieldStep, Layout, converting, settled
from bssci.decoders.quantities import MAX_NAME, QuantityRule, rules_for

MAX_FIELDS = 1000
"""fields of a format"""
MAX_CHAIN = 20
"""components of a field, each of which refers to the next"""
MAX_TEXT_BITS = 8 * 1024
MAX_OFFSET = 8 * 4096
"""bits before a field, at most"""
MAX_ENUM = 1000
"""words of an enumeration, at most"""
_TEXTS = {"bytes": bits.octets, "binary": bits.octets, "string": bits.text}
_NUMBERS = ("uint", "int", "float", "bool", "enum")
_CALIBRATION = re.compile(r"\$(calibration\.\w+)")


class Defaults(NamedTuple):
    """Defaults of a file for all its formats."""

    definitions: Mapping[str, Node]
    calibration: frozenset[str]
    little_endian: bool


class _Field(NamedTuple):
    """An entry of ``payload`` or ``virtual``, with its components."""

    node: Node
    name: str
    chain: Sequence[Node]
    """the entry, its component, that one's component, ...: a member is taken from the first that has it"""

    def get(self, key: str) -> Node | None:
        for node in self.chain:
            found = node.get(key)
            if found is not None:
                return found
        return None

    @property
    def hidden(self) -> bool:
        found = self.get("hidden")
        return found is not None and found.flag()

    @property
    def conditional(self) -> bool:
        found = self.get("condition")
        return found is not None and found.value not in ("", True)

    @property
    def unit(self) -> str | None:
        found = self.get("unit")
        return None if found is None else found.text(30) or None


def compile_layout(node: Node, defaults: Defaults, number: int) -> Layout:
    """Compile one entry of ``uplink``.

    :raises DefinitionError: with line and reason.
    """
    fields = list(_fields(node.need("payload"), defaults))
    virtual_node = node.get("virtual")
    virtual = [] if virtual_node is None else list(_fields(virtual_node, defaults))
    _refuse_clashes(fields, virtual)
    own = node.get("littleEndian")
    little_endian = defaults.little_endian if own is None else own.flag()
    shown = [field for field in (*fields, *virtual) if not field.hidden]
    rules = {
        id(field.node): rule
        for field, rule in zip(shown, rules_for([(it.name, it.unit) for it in shown]), strict=True)
    }
    counts = Counter(field.name for field in fields if not field.hidden)
    known: set[str] = set()
    steps = []
    for field in fields:
        step = _step(field, known, rules.get(id(field.node)), little_endian, counts[field.name] <= 1)
        steps.append(step)
        if _type(field) not in _TEXTS:
            known.add(field.name)
    name = node.get("name")
    crypto = node.get("crypto")
    return Layout(
        number,
        "" if name is None else name.text(),
        tuple(steps),
        tuple(_virtual_steps(virtual, known, rules)),
        0 if crypto is None else _crypto(crypto),
    )


def _fields(node: Node, defaults: Defaults) -> Iterator[_Field]:
    entries = node.items()
    if len(entries) > MAX_FIELDS:
        raise node.error(f"more than {MAX_FIELDS} fields")
    for entry in entries:
        name_node = entry.need("name")
        name = name_node.text(MAX_NAME)
        if not name.strip() or name != name.strip() or not name.isprintable():
            raise name_node.error("must be a name without spaces around it")
        yield _Field(entry, name, _chain(entry, defaults.definitions))


def _chain(entry: Node, definitions: Mapping[str, Node]) -> list[Node]:
    chain = [entry]
    seen: set[str] = set()
    reference = entry.get("component")
    while reference is not None:
        key = reference.text()
        if key in seen:
            raise reference.error(f"{key!r} refers to itself")
        if key not in definitions:
            raise reference.error(f"no component {key!r} is defined")
        if len(seen) >= MAX_CHAIN:
            raise reference.error(f"more than {MAX_CHAIN} components refer to each other")
        seen.add(key)
        chain.append(definitions[key])
        reference = definitions[key].get("component")
    return chain


def _refuse_clashes(fields: Sequence[_Field], virtual: Sequence[_Field]) -> None:
    """Allow two fields of one name only if each has a condition, or all are hidden."""
    firsts: dict[str, _Field] = {}
    for field in fields:
        first = firsts.setdefault(field.name, field)
        if first is field or (first.hidden and field.hidden):
            continue
        if not (first.conditional and field.conditional):
            raise field.node.error(
                f"name {field.name!r} appears twice (line {first.node.line}), not each time with a condition"
            )
    for field in virtual:
        if field.name in firsts:
            raise field.node.error(f"name {field.name!r} appears twice (line {firsts[field.name].node.line})")
        firsts[field.name] = field


def _step(
    field: _Field, known: Collection[str], rule: QuantityRule | None, little_endian: bool, alone: bool
) -> FieldStep:
    kind = _type(field)
    size = _size(field, kind)
    offset = field.get("offset")
    if kind in _TEXTS:
        for key in ("func", "enum", "scale", "bias", "calibration"):
            found = field.get(key)
            if found is not None and found.value != "":
                raise found.error(f"a field of type {kind} cannot have it")
        compute = enum = None
        interpret: Interpret | None = _TEXTS[kind](size)
    else:
        own = field.get("littleEndian")
        interpret = _interpretation(kind, size, little_endian if own is None else own.flag())
        compute = _compute(field, known, size, kind)
        enum = _enum(field.get("enum"))
    return FieldStep(
        name=field.name,
        size=size,
        mask=(1 << size) - 1,
        offset=None if offset is None else offset.integer(0, MAX_OFFSET),
        interpret=interpret,
        condition=_condition(field, known),
        compute=compute,
        enum=enum,
        out_name=None if rule is None else rule.name,
        out_unit=None if rule is None or kind in _TEXTS else rule.unit,
        convert=None if rule is None or kind in _TEXTS else _convert(rule, kind, compute),
        rule=rule or QuantityRule(field.name, None),
        may_be_nan=kind == "float",
        alone=alone,
        independent=kind in _TEXTS or _is_independent(field, known, size),
    )


def _virtual_steps(
    fields: Sequence[_Field], known: Collection[str], rules: Mapping[int, QuantityRule]
) -> Iterator[FieldStep]:
    """Yield the steps in an order in which each comes after those it refers to."""
    places = {field.name: place for place, field in enumerate(fields)}
    either = {*known, *places}
    order = TopologicalSorter[str](dict.fromkeys(places, ()))
    steps: dict[str, FieldStep] = {}
    for field in fields:
        func = field.get("func")
        if func is None or func.value == "":
            raise field.node.error(f"{field.name}: func is missing")
        expressions = [_expression(func, either)]
        condition = field.get("condition")
        if condition is not None and condition.value != "":
            expressions.append(_expression(condition, either))
        order.add(field.name, *(name for each in expressions for name in each.references if name in places))
        steps[field.name] = _virtual(field, expressions, rules.get(id(field.node)))
    try:
        order.prepare()
    except CycleError as error:
        first = fields[min(places[name] for name in error.args[1])]
        raise first.node.error(f"{first.name}: virtual fields refer to each other in a circle") from None
    while order.is_active():
        ready = sorted(order.get_ready(), key=places.__getitem__)
        yield from (steps[name] for name in ready)
        order.done(*ready)


def _virtual(field: _Field, expressions: Sequence[Expression], rule: QuantityRule | None) -> FieldStep:
    return FieldStep(
        name=field.name,
        size=0,
        mask=0,
        offset=None,
        interpret=None,
        condition=expressions[1].evaluate if len(expressions) > 1 else None,
        compute=settled(expressions[0].evaluate),
        enum=_enum(field.get("enum")),
        out_name=None if rule is None else rule.name,
        out_unit=None if rule is None else rule.unit,
        convert=None if rule is None else _convert(rule, "float", expressions[0].evaluate),
        rule=rule or QuantityRule(field.name, None),
        may_be_nan=False,
        alone=True,
        independent=False,
    )


def _is_independent(field: _Field, known: Collection[str], size: int) -> bool:
    """Return whether a field's value depends on neither another field nor a calibration."""
    calibration, func = field.get("calibration"), field.get("func")
    if calibration is not None and calibration.value != "":
        return False
    return func is None or func.value == "" or not _expression(func, known, size).references


def _type(field: _Field) -> str:
    node = field.get("type")
    if node is None:
        raise field.node.error(f"{field.name}: type is missing")
    kind = node.text(20)
    if kind not in _TEXTS and kind not in _NUMBERS:
        raise node.error(f"{kind!r} is unknown; there are: {', '.join((*_NUMBERS, *_TEXTS))}")
    return kind


def _size(field: _Field, kind: str) -> int:
    node = field.get("size")
    if node is None:
        raise field.node.error(f"{field.name}: size is missing")
    if kind in _TEXTS:
        size = node.integer(8, MAX_TEXT_BITS)
        if size % 8:
            raise node.error(f"of a field of type {kind} must be whole bytes: a multiple of 8")
        return size
    size = node.integer(1, bits.LARGEST)
    if kind == "float" and size not in bits.FLOATS:
        raise node.error("of a float must be 16, 32 or 64 bits")
    return size


def _interpretation(kind: str, size: int, little_endian: bool) -> Interpret | None:
    swap = bits.swapped(size) if little_endian else None
    then: Interpret | None = None
    if kind == "int":
        then = bits.signed(size)
    elif kind == "float":
        then = bits.floating(size)
    elif kind == "bool":
        then = bits.boolean
    return bits.after_swap(swap, then)


def _expression(node: Node, known: Collection[str], size: int = bits.LARGEST) -> Expression:
    text = node.text(2000)
    try:
        return compile_expression(text, {*known, *_CALIBRATION.findall(text)}, size)
    except ExpressionError as error:
        raise node.error(str(error)) from error


def _condition(field: _Field, known: Collection[str]) -> Evaluate | None:
    node = field.get("condition")
    if node is None or node.value == "":
        return None
    if isinstance(node.value, bool):
        met = node.value
        return lambda raw, values: met
    return _expression(node, known).evaluate


def _compute(field: _Field, known: Collection[str], size: int, kind: str) -> Evaluate | None:
    """Return one function for ``* scale + bias``, ``* calibration`` and ``func``; None: none is needed."""
    adjusted = _adjustment(field)
    node = field.get("func")
    if node is None or node.value == "" or node.text(2000).strip() == "$":
        return None if adjusted is None else settled(adjusted)
    expression = _expression(node, known, size)
    func = expression.evaluate
    if adjusted is None:
        return func if expression.exact and kind != "float" else settled(func)
    return settled(lambda raw, values: func(adjusted(raw, values), values))


def _adjustment(field: _Field) -> Evaluate | None:
    scale_node, bias_node, calibration = field.get("scale"), field.get("bias"), field.get("calibration")
    scale = 1 if scale_node is None else scale_node.number()
    bias = 0 if bias_node is None else bias_node.number()
    if calibration is not None and calibration.text() != "":
        key = f"calibration.{calibration.text()}"
        return lambda raw, values: (raw * scale + bias) * values[key]
    if scale == 1 and bias == 0:
        return None
    return lambda raw, values: raw * scale + bias


def _enum(node: Node | None) -> Mapping[Number, BitValue] | None:
    if node is None:
        return None
    members = node.members()
    if len(members) > MAX_ENUM:
        raise node.error(f"more than {MAX_ENUM} words")
    words: dict[Number, BitValue] = {}
    for key, member in members.items():
        try:
            number = int(key, 0)
        except ValueError:
            raise member.error("the key must be a whole number") from None
        if not isinstance(member.value, str | int | float):
            raise member.error("must be a text, a number, true or false")
        words[number] = member.value
    return words or None


def _convert(
    rule: QuantityRule, kind: str, compute: Evaluate | None
) -> Callable[[BitValue], BitValue] | None:
    if rule.conversion is not None and kind != "bool":
        return converting(rule.conversion)
    if rule.kind == "bool" and (kind != "bool" or compute is not None):
        return rule.value
    return None


def _crypto(node: Node) -> int:
    """Return the number of a format's cipher; 0: not encrypted. Vendors write a number, or it as text."""
    if isinstance(node.value, str):
        if not node.value.isdecimal():
            raise node.error("must be a number")
        return int(node.value[:9])
    return node.integer(0, 255)
