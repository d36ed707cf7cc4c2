"""A whole message of each kind, written as plain objects."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from msgspec import inspect

from bssci.wire.codec import Codec
from bssci.wire.errors import ProtocolError
from bssci.wire.messages import (
    Message,
)
from tests.support.wire import pack
from tests.wire.codecs import MSGPACK

OP_ID = 77


def command(kind: type[Message]) -> str:
    return str(kind.__struct_config__.tag)


@cache
def fields_of(kind: type[Message]) -> list[inspect.Field]:
    declared = inspect.type_info(kind)
    assert isinstance(declared, inspect.StructType)
    return list(declared.fields)


def value_of(declared: inspect.Type) -> Any:
    """A plain value of a type, with one element at least in every list."""
    match declared:
        case inspect.Metadata(type=inner):
            return value_of(inner)
        case inspect.UnionType(types=types):
            return value_of(types[0] if not isinstance(types[0], inspect.NoneType) else types[1])
        case inspect.LiteralType(values=values):
            return values[-1]
        case inspect.ListType(item_type=item, min_length=least):
            return [value_of(item)] * (least or 1)
        case inspect.StructType(fields=fields):
            return {field.encode_name: value_of(field.type) for field in fields}
        case inspect.DictType():
            return {"a": 1}
        case inspect.StrType():
            return "a"
        case inspect.BoolType():
            return True
        case inspect.FloatType():
            return 1.5
    return 1


def whole(kind: type[Message]) -> dict[str, Any]:
    """A message of a class with all its fields."""
    fields = {field.encode_name: value_of(field.type) for field in fields_of(kind)}
    return fields | {"command": command(kind), "opId": OP_ID}


def written(codec: Codec, plain: object) -> bytes:
    return pack(plain) if codec is MSGPACK else json.dumps(plain).encode()


def refusal(codec: Codec, payload: bytes) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        codec.decode(payload)
    return caught.value
