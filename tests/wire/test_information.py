"""Texts and maps that describe a peer: cut to what can be kept."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bssci.wire.codec import Codec
from bssci.wire.errors import ErrorCode
from bssci.wire.information import MAX_DEPTH, MAX_MAP, MAX_TEXT
from bssci.wire.messages import Con, ConRsp, Error, StatusRsp
from bssci.wire.operations import CLASSES
from tests.support.wire import connect, map_of, pack
from tests.wire.codecs import BOTH, JSON, MSGPACK
from tests.wire.whole_messages import command, refusal, whole, written


@BOTH
def test_texts_are_cut(codec: Codec) -> None:
    texts = ("vendor", "model", "name", "swVersion")
    long = "\N{LATIN SMALL LETTER U WITH DIAERESIS}" * 100_000
    for plain in (map_of(connect()), whole(ConRsp)):
        message = codec.decode(written(codec, plain | dict.fromkeys(texts, long)))
        assert {getattr(message, name) for name in texts} == {long[:MAX_TEXT]}
    for kind in (StatusRsp, Error):
        message = codec.decode(written(codec, whole(kind) | {"message": long}))
        assert isinstance(message, StatusRsp | Error) and message.message == long[:MAX_TEXT]


@BOTH
def test_no_error_text_is_long(codec: Codec) -> None:
    plain = whole(next(kind for kind in CLASSES if command(kind) == "dlDataRes"))
    assert len(refusal(codec, written(codec, plain | {"result": "x" * 100_000})).message) <= 200


def nested(depth: int) -> Any:
    return {"a": nested(depth - 1)} if depth else 1


MAPS: list[tuple[Any, Any]] = [
    ({"a": {"b": [1, 2.5, None, True, "x"]}}, {"a": {"b": [1, 2.5, None, True, "x"]}}),
    ({"a": "x" * 1000}, {"a": "x" * MAX_TEXT}),
    ({"a": 1, "b": "x" * 190, "c": [0] * 5000, "d": 2}, {"a": 1, "b": "x" * 190}),
    ({str(number): number for number in range(20_000)}, None),
    ({"a": nested(MAX_DEPTH - 2)}, {"a": nested(MAX_DEPTH - 2)}),
    ({"a": nested(MAX_DEPTH), "b": 1}, {"b": 1}),
    ({"a": nested(400), "b": 1}, {"b": 1}),
    ({"a": [[[[]]]] * 20_000}, {}),
    ({"a": 2**64 - 1, "b": -(2**63)}, {"a": 2**64 - 1, "b": -(2**63)}),
]


@BOTH
@pytest.mark.parametrize(("sent", "kept"), MAPS, ids=range(len(MAPS)))
def test_a_map_is_cut(sent: Any, kept: Any, codec: Codec) -> None:
    for plain, name in ((map_of(connect()), "info"), (whole(ConRsp), "info"), (whole(StatusRsp), "config")):
        found = getattr(codec.decode(written(codec, plain | {name: sent})), name)
        assert len(msgspec.json.encode(found)) <= 2 * MAX_MAP
        if kept is not None:
            assert found == kept


def test_bin_in_a_map_is_a_list_of_integers() -> None:
    message = MSGPACK.decode(pack(map_of(connect()) | {"info": {"mac": b"\x00\xff", 7: 1}}))
    assert isinstance(message, Con) and message.info == {"mac": [0, 255]}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_in_a_map_is_finite(value: float) -> None:
    for within in ({"a": value}, {"a": [value]}, {"a": {"b": value}}):
        error = refusal(MSGPACK, pack(map_of(connect()) | {"info": within}))
        assert (error.code, error.op_id) == (ErrorCode.EINVAL, 0)


@pytest.mark.parametrize("literal", ["1e400", "1" + "0" * 30, "-9223372036854775809", "9" * 5000])
def test_an_integer_in_a_map_has_64_bits(literal: str) -> None:
    payload = written(JSON, map_of(connect()) | {"info": {"a": "@"}}).replace(b'"@"', literal.encode())
    assert (refusal(JSON, payload).code, refusal(JSON, payload).op_id) == (ErrorCode.EINVAL, 0)
