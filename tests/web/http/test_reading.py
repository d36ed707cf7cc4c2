"""Values of requests against the types of structs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from bssci.web.http.errors import ApiError
from bssci.web.http.reading import TypedEui, allowed, read_struct


class Form(msgspec.Struct, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=5)]
    count: Annotated[int, Meta(ge=1, le=9)] = 3
    share: float = 0.0
    flag: bool = False
    kind: Literal["one", "two"] | None = None
    eui: TypedEui | None = None
    names: list[str] = []


def refused(values: dict[str, Any], from_text: bool = False) -> dict[str, str]:
    with pytest.raises(ApiError) as raised:
        read_struct(Form, values, from_text)
    error = raised.value
    assert error.status == 422
    if not error.errors:
        return {str(error.field): error.message}
    assert error.field == error.errors[0].field
    assert error.message == "; ".join(each.message for each in error.errors)
    return {each.field: each.message for each in error.errors}


def test_values_become_a_struct() -> None:
    values = {
        "name": "a",
        "count": 2,
        "share": 1,
        "kind": "two",
        "eui": "70-b3-d5-67-70-11-15-05",
        "names": ["b"],
    }
    form = read_struct(Form, values)
    assert (form.name, form.count, form.share, form.kind, form.names) == ("a", 2, 1.0, "two", ["b"])
    assert form.eui == "70B3D56770111505"
    assert read_struct(Form, {"name": "a"}) == Form(name="a")
    assert read_struct(Form, {"name": "a", "kind": None}) == Form(name="a")


def test_texts_of_a_query_become_numbers_and_flags() -> None:
    texts = {"name": "1", "count": "2", "flag": "true", "eui": "70B3D56770111505"}
    form = read_struct(Form, texts, from_text=True)
    assert (form.name, form.count, form.flag) == ("1", 2, True)
    assert refused({"name": "x", "count": "2x", "flag": "yes"}, from_text=True) == {
        "count": "count must be a whole number from 1 to 9",
        "flag": "flag must be true or false",
    }
    assert read_struct(Form, {"name": "null"}, from_text=True).name == "null"
    assert refused({"name": "x", "kind": "null", "eui": "null"}, from_text=True) == {
        "kind": "kind must be one of one, two",
        "eui": "eui must be 16 hexadecimal digits",
    }


def test_every_wrong_field_is_named() -> None:
    values = {"count": 10, "share": "1", "flag": 1, "kind": "three", "eui": "70", "names": [1], "more": 1}
    assert refused(values) == {
        "name": "name is missing",
        "count": "count must be a whole number from 1 to 9",
        "share": "share must be a number",
        "flag": "flag must be true or false",
        "kind": "kind must be one of one, two",
        "eui": "eui must be 16 hexadecimal digits",
        "names": "names must be a list of text",
        "more": "more is not known here: known are name, count, share, flag, kind, eui, names",
    }
    assert refused({"name": "abcdef"}) == {"name": "name must be text of 1 to 5 characters"}
    assert refused({"name": "a", "count": None}) == {"count": "count must be a whole number from 1 to 9"}


def test_what_a_type_allows_in_words() -> None:
    assert allowed(Annotated[int, Meta(ge=1)]) == "a whole number of at least 1"
    assert (
        allowed(Annotated[list[int], Meta(max_length=3)]) == "a list of a whole number of at most 3 entries"
    )
    assert allowed(dict[str, int]) == "an object"
    place = msgspec.defstruct("Place", [("lat", Annotated[float, Meta(ge=-90, le=90)]), ("text", str)])
    assert allowed(place | None) == "an object of lat (a number from -90 to 90), text (text)"
    assert allowed(int | Literal["all"]) == "a whole number or all"
