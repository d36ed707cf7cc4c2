from __future__ import annotations

import json
from typing import Any

import pytest

from bssci.decoders.blueprint_fields import MAX_CHAIN, MAX_FIELDS, Defaults, compile_layout
from bssci.decoders.commented_json import DefinitionError, parse
from bssci.decoders.layouts import Layout

BYTE = {"size": 8, "type": "uint"}


def compiled(*fields: dict[str, Any], number: int = 3, **more: Any) -> Layout:
    document = parse(json.dumps({"payload": fields} | more))
    definitions = parse(json.dumps({"byte": BYTE, "signed": {"component": "byte", "type": "int"}})).members()
    return compile_layout(document, Defaults(definitions, frozenset({"calibration.zero"}), False), number)


def test_what_a_field_does_not_say_its_component_says() -> None:
    layout = compiled({"name": "a", "component": "byte"}, {"name": "b", "component": "signed"}, name="main")
    assert (layout.number, layout.name) == (3, "main")
    assert {each.name: each.value for each in layout.read(b"\xff\xff", {})} == {"a": 255, "b": -1}


def test_virtual_fields_are_put_in_the_order_in_which_they_can_be_computed() -> None:
    layout = compiled(
        {"name": "x", **BYTE, "hidden": True},
        virtual=[{"name": "four", "func": "$two * 2"}, {"name": "two", "func": "$x * 2"}],
    )
    assert {each.name: each.value for each in layout.read(b"\x05", {})} == {"two": 10, "four": 20}


def test_fields_of_one_name_must_exclude_each_other() -> None:
    first, second = ({"name": "a", **BYTE, "condition": f"$kind == {each}"} for each in (1, 2))
    kind = {"name": "kind", **BYTE}
    assert len(compiled(kind, first, second).steps) == 3
    with pytest.raises(DefinitionError):
        compiled(kind, first, {"name": "a", **BYTE})


@pytest.mark.parametrize(
    "fields",
    [
        [{"name": "a", "size": 8, "type": "colour"}],
        [{"name": "a", "type": "uint"}],
        [{"name": "a", "component": "unknown"}],
        [{"name": "a", **BYTE, "func": "$later + 1"}],
        [{"name": "a", **BYTE, "func": "$ +"}],
        [{"name": "a", "size": 24, "type": "float"}],
        [{"name": f"a{number}", **BYTE} for number in range(MAX_FIELDS + 1)],
    ],
    ids=["type", "no size", "component", "reference", "expression", "size of a float", "too many"],
)
def test_a_wrong_field_is_refused_with_its_line(fields: list[dict[str, Any]]) -> None:
    with pytest.raises(DefinitionError) as caught:
        compiled(*fields)
    assert caught.value.line == 1


def test_components_refer_to_each_other_only_so_often() -> None:
    def components(number: int) -> dict[str, Any]:
        chain = {f"c{each}": {"component": f"c{each + 1}"} for each in range(1, number)}
        return chain | {f"c{number}": {"size": 8, "type": "uint"}}

    def compile_chain(number: int) -> Layout:
        definitions = parse(json.dumps(components(number))).members()
        node = parse(json.dumps({"payload": [{"name": "a", "component": "c1"}]}))
        return compile_layout(node, Defaults(definitions, frozenset(), False), 0)

    assert [step.size for step in compile_chain(MAX_CHAIN).steps] == [8]
    with pytest.raises(DefinitionError, match=f"more than {MAX_CHAIN} components"):
        compile_chain(MAX_CHAIN + 1)


def test_of_virtual_fields_one_in_the_circle_is_named() -> None:
    virtual = [{"name": "a", "func": "$b"}, {"name": "b", "func": "$c"}, {"name": "c", "func": "$b"}]
    with pytest.raises(DefinitionError, match="b: virtual fields refer to each other in a circle"):
        compiled({"name": "x", "size": 8, "type": "uint"}, virtual=virtual)
