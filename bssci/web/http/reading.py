"""Requests as structs: each value is checked by the struct's types, and each wrong one is named plainly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from msgspec import Meta, inspect

from bssci.model import EUI, parse_eui
from bssci.model.strict_json import JsonError, read_json
from bssci.web.http.errors import ApiError, invalid_fields

S = TypeVar("S", bound=msgspec.Struct)
MAX_SHOWN = 40
"""characters of an unknown name that a message shows"""


def wording(words: str, read: Callable[[Any], Any] | None = None) -> dict[str, Any]:
    """Return the ``extra`` of a :class:`msgspec.Meta`.

    :param words: what is allowed, in words that follow "must be".
    :param read: converts a value of the right type; raises ``ValueError``.
    """
    return {"words": words, "read": read}


EUI_PATTERN = "^[0-9A-F]{16}$"
TypedEui = Annotated[
    EUI,
    Meta(
        extra_json_schema={"pattern": EUI_PATTERN, "examples": ["70B3D56770111505"]},
        extra=wording("16 hexadecimal digits", parse_eui),
    ),
]
"""an EUI in any spelling, as the service writes it"""


class FormField(NamedTuple):
    """A field of a struct that a request is read into."""

    attribute: str
    type: Any
    required: bool
    read: Callable[[Any], Any] | None
    """converts a value of the type; None: it is used as it is"""


@cache
def form_fields(form: type[msgspec.Struct]) -> Mapping[str, FormField]:
    """Return the fields of a struct by their names in a request; looked up once for all requests."""
    return {
        each.encode_name: FormField(
            each.name, each.type, each.required, _reader(inspect.type_info(each.type))
        )
        for each in msgspec.structs.fields(form)
    }


def read_struct(form: type[S], values: Mapping[str, Any], from_text: bool = False) -> S:
    """Return the values of a request as a struct.

    :param from_text: the values are text, as in a query.
    :raises ApiError: 422, naming every field that is missing, wrong or not known.
    """
    fields = form_fields(form)
    wrong: dict[str, str] = {}
    read: dict[str, Any] = {}
    for name, field in fields.items():
        if values.get(name) is None:
            if field.required:
                wrong[name] = "is missing"
            elif name in values and not _takes_none(field.type):
                wrong[name] = f"must be {allowed(field.type)}"
            continue
        try:
            value = msgspec.convert(values[name], field.type, strict=not from_text)
            if value is None:
                raise ValueError  # the text "null", which is none of the values
            read[field.attribute] = value if field.read is None else field.read(value)
        except ValueError:
            wrong[name] = f"must be {allowed(field.type)}"
    known = f"known are {', '.join(fields)}" if fields else "there are no fields"
    for name in values.keys() - fields.keys():
        wrong[name[:MAX_SHOWN]] = f"is not known here: {known}"
    if wrong:
        raise invalid_fields(wrong)
    return form(**read)


def _reader(info: inspect.Type) -> Callable[[Any], Any] | None:
    """Return the function that converts a value of the type, or of one of its alternatives; None if there is
    none.
    """
    if isinstance(info, inspect.UnionType):
        return next(filter(None, map(_reader, info.types)), None)
    if isinstance(info, inspect.Metadata):
        return _extra(info).get("read") or _reader(info.type)
    return None


def _takes_none(kind: Any) -> bool:
    info = _inner(inspect.type_info(kind))
    return isinstance(info, inspect.UnionType) and info.includes_none


def allowed(kind: Any) -> str:
    """Return what a type allows, in words that follow "must be"."""
    return _words(inspect.type_info(kind))


def _words(info: inspect.Type) -> str:
    told = _extra(info).get("words")
    if told:
        return str(told)
    info = _inner(info)
    match info:
        case inspect.StrType():
            return "text" + _between(info.min_length, info.max_length, "character")
        case inspect.IntType():
            return "a whole number" + _range(info.ge, info.le)
        case inspect.FloatType():
            return "a number" + _range(info.ge, info.le)
        case inspect.BoolType():
            return "true or false"
        case inspect.LiteralType():
            return (
                f"one of {', '.join(map(str, info.values))}" if len(info.values) > 1 else str(info.values[0])
            )
        case inspect.ListType():
            return f"a list of {_words(info.item_type)}" + _between(None, info.max_length, "entry")
        case inspect.StructType():
            parts = (f"{each.encode_name} ({_words(each.type)})" for each in info.fields)
            return f"an object of {', '.join(parts)}"
        case inspect.UnionType():
            kinds = [each for each in info.types if not isinstance(each, inspect.NoneType)]
            return " or ".join(map(_words, kinds))
    return "an object"


def _between(low: int | None, high: int | None, what: str) -> str:
    many = {"entry": "entries"}.get(what, f"{what}s")
    if low and high:
        return f" of {low} to {high} {many}"
    return f" of at most {high} {many}" if high else ""


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" from {low} to {high}"
    return f" of at least {low}" if low is not None else ""


def _extra(info: inspect.Type) -> Mapping[str, Any]:
    return info.extra or {} if isinstance(info, inspect.Metadata) else {}


def _inner(info: inspect.Type) -> inspect.Type:
    while isinstance(info, inspect.Metadata):
        info = info.type
    return info


def parse_json(data: str | bytes, what: str = "the body", lenient: bool = False) -> Any:
    """Parse a JSON text.

    :param what: name of the text in messages.
    :param lenient: as in :func:`bssci.model.strict_json.read_json`.
    :raises ApiError: 400, saying where it is wrong.
    """
    try:
        return read_json(data, lenient)
    except JsonError as error:
        raise ApiError(400, "malformed", f"{what} is {error}", "body") from None
