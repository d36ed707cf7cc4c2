"""bssci.wire.repair: what stations of four vendors send, byte by byte, and what we make of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bssci.wire.codec import Codec, Encoding
from bssci.wire.errors import ProtocolError
from bssci.wire.fields import Subpackets
from bssci.wire.messages import AttPrpRsp, Con, DlDataQue, Error, StatusRsp, UlData
from tests.support.wire import connect, map_of, pack, uplink

MSGPACK, JSON = Codec(Encoding.MESSAGEPACK), Codec(Encoding.JSON)

# A con without its uuid, which is appended: command, opId 0, version, bsEui, bidi true, snBsUuid.
CON = (
    b"\x86\xa7command\xa3con\xa4opId\x00\xa7version\xa51.0.0"
    b"\xa5bsEui\xcf\xca\xfe\x00\x00\x00\x00\x00\x01\xa4bidi\xc3\xa8snBsUuid"
)
UUID = [0, 1, 127, 128, 129, 200, 254, 255] * 2

# An uplink without its userData, which is appended: command, opId 7, epEui, rxTime, packetCnt 3, snr 1, rssi
# -99, dlOpen, responseExp and dlAck false.
UPLINK = (
    b"\x8b\xa7command\xa6ulData\xa4opId\x07\xa5epEui\xcf\x70\xb3\xd5\x67\x70\x11\x15\x05"
    b"\xa6rxTime\xcf\x17\xe3\x00\x00\x00\x00\x00\x00\xa9packetCnt\x03\xa3snr\x01\xa4rssi\xd0\x9d"
    b"\xa6dlOpen\xc2\xabresponseExp\xc2\xa5dlAck\xc2"
)


def decode_uplink(**changes: Any) -> UlData:
    message = MSGPACK.decode(pack(map_of(uplink(7)) | changes))
    assert isinstance(message, UlData)
    return message


@pytest.mark.parametrize(
    "uuid",
    [
        b"\xdc\x00\x10" + b"\x00\x01\x7f\xd0\x80\xd0\x81\xd0\xc8\xfe\xff" * 2,
        b"\xdc\x00\x10" + b"\x00\x01\x7f\xcc\x80\xcc\x81\xcc\xc8\xcc\xfe\xcc\xff" * 2,
        b"\xc4\x10" + b"\x00\x01\x7f\x80\x81\xc8\xfe\xff" * 2,
        b"\xdc\x00\x10" + b"\x00\x01\xca\x42\xfe\x00\x00\xd0\x80\xd0\x81\xd0\xc8\xfe\xff" * 2,
    ],
    ids=["signed (Diehl)", "unsigned (Weptech, Miromico)", "bin", "signed, with floats"],
)
def test_the_uuid_of_a_session_is_read_as_each_vendor_writes_it(uuid: bytes) -> None:
    message = MSGPACK.decode(CON + uuid)
    assert isinstance(message, Con)
    assert message.snBsUuid == UUID


@pytest.mark.parametrize("byte", [-129, 256, 1.5])
def test_a_uuid_byte_is_minus_128_to_255(byte: object) -> None:
    with pytest.raises(ProtocolError, match=r"snBsUuid\[0\]"):
        MSGPACK.decode(pack(map_of(connect()) | {"snBsUuid": [byte] + [0] * 15}))


@pytest.mark.parametrize("length", [0, 15, 17])
def test_a_uuid_has_16_bytes(length: int) -> None:
    with pytest.raises(ProtocolError, match="snBsUuid"):
        MSGPACK.decode(pack(map_of(connect()) | {"snBsUuid": bytes(length)}))


@pytest.mark.parametrize(
    "eui", [b"\xd3\xca\xfe\x00\x00\x00\x00\x00\x01", b"\xcf\xca\xfe\x00\x00\x00\x00\x00\x01"]
)
def test_an_eui_with_the_top_bit_set_as_int64_and_as_uint64(eui: bytes) -> None:
    con = CON.replace(b"\xcf\xca\xfe\x00\x00\x00\x00\x00\x01", eui)
    message = MSGPACK.decode(con + b"\xc4\x10" + bytes(16))
    assert isinstance(message, Con)
    assert message.bsEui == 0xCAFE000000000001


def test_a_negative_eui_in_json() -> None:
    payload = msgspec.json.encode(map_of(uplink()) | {"epEui": -1})
    assert JSON.decode(payload) == uplink(epEui=(1 << 64) - 1)


@pytest.mark.parametrize(
    "data",
    [
        b"\x93\x01\x02\xcc\xff",
        b"\xc4\x03\x01\x02\xff",
        b"\x93\xca\x3f\x80\x00\x00\x02\xcb\x40\x6f\xe0\x00\x00\x00\x00\x00",
    ],
    ids=["array", "bin", "floats"],
)
def test_user_data_is_read_as_array_bin_or_floats(data: bytes) -> None:
    message = MSGPACK.decode(UPLINK + b"\xa8userData" + data)
    assert isinstance(message, UlData)
    assert message.userData == [1, 2, 255]
    assert [type(byte) for byte in message.userData] == [int] * 3


@pytest.mark.parametrize("empty", [b"\x90", b"\xc4\x00"])
def test_user_data_may_be_empty(empty: bytes) -> None:
    message = MSGPACK.decode(UPLINK + b"\xa8userData" + empty)
    assert isinstance(message, UlData) and message.userData == []


@pytest.mark.parametrize(
    "number", [b"\x0c", b"\xca\x41\x40\x00\x00", b"\xcb\x40\x28\x00\x00\x00\x00\x00\x00"]
)
@pytest.mark.parametrize(("name", "sent"), [(b"packetCnt", b"\x03"), (b"snr", b"\x01"), (b"opId", b"\x07")])
def test_a_number_as_int_float32_and_float64(name: bytes, sent: bytes, number: bytes) -> None:
    payload = UPLINK.replace(name + sent, name + number) + b"\xa8userData\x90"
    value = getattr(MSGPACK.decode(payload), name.decode())
    assert value == 12
    assert type(value) is (float if name == b"snr" else int)


def test_nil_is_an_absent_field() -> None:
    assert decode_uplink(eqSnr=None, format=None, profile=None, mode=None, subpackets=None) == uplink(7)


def test_nil_inside_subpackets_is_an_absent_field() -> None:
    sent = {"snr": [1], "rssi": [2], "frequency": [3], "phase": None}
    assert decode_uplink(subpackets=sent).subpackets == Subpackets(snr=[1.0], rssi=[2.0], frequency=[3.0])


def test_keys_in_alphabetical_order() -> None:
    assert MSGPACK.decode(pack(dict(sorted(map_of(uplink()).items())))) == uplink()
    assert MSGPACK.decode(pack(dict(sorted(map_of(uplink()).items(), reverse=True)))) == uplink()


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0])
def test_a_flag_as_a_number(value: object) -> None:
    assert decode_uplink(dlAck=value).dlAck is bool(value)


@pytest.mark.parametrize("value", [2, -1, "true", [], b"\x01"])
def test_what_is_no_flag(value: object) -> None:
    with pytest.raises(ProtocolError, match="dlAck"):
        decode_uplink(dlAck=value)


@pytest.mark.parametrize("info", ["", None])
def test_info_as_an_empty_string_is_absent(info: object) -> None:
    assert MSGPACK.decode(pack(map_of(connect()) | {"info": info})) == connect()


def test_info_with_a_name_that_is_no_string() -> None:
    message = MSGPACK.decode(pack(map_of(connect()) | {"info": {1: 2, "a": {3: 4}}}))
    assert message == connect(info={"a": {}})


def test_info_as_another_string_is_refused() -> None:
    with pytest.raises(ProtocolError, match="info"):
        MSGPACK.decode(pack(map_of(connect()) | {"info": "x"}))


@pytest.mark.parametrize("codec", [MSGPACK, JSON], ids=["msgpack", "json"])
@pytest.mark.parametrize("location", [[0, 0, 0], [0.0, 0.0, 0.0]])
def test_geo_location_zero_means_unknown(codec: Codec, location: list[float]) -> None:
    encode = pack if codec is MSGPACK else msgspec.json.encode
    assert codec.decode(encode(map_of(connect()) | {"geoLocation": location})) == connect()
    status = {"command": "statusRsp", "opId": -1, "code": 0, "geoLocation": location}
    assert codec.decode(encode(status)) == StatusRsp(opId=-1, code=0)


def test_a_place_on_the_equator_is_a_place() -> None:
    message = MSGPACK.decode(pack(map_of(connect()) | {"geoLocation": [0, 9.5, 0]}))
    assert isinstance(message, Con) and message.geoLocation == [0.0, 9.5, 0.0]


def test_status_that_lacks_fields_in_microseconds_and_percent() -> None:
    sent = {"command": "statusRsp", "opId": -4, "time": 1_721_200_000_123_456, "cpuLoad": 37, "uptime": 12.5}
    assert MSGPACK.decode(pack(sent)) == StatusRsp(
        opId=-4, time=1_721_200_000_123_456, cpuLoad=37.0, uptime=12.5
    )
    assert MSGPACK.decode(b"\x82\xa7command\xa9statusRsp\xa4opId\xff") == StatusRsp(opId=-1)


def test_an_answer_with_nothing_but_its_operation() -> None:
    assert MSGPACK.decode(b"\x82\xa4opId\xd1\xf9\x85\xa7command\xa9attPrpRsp") == AttPrpRsp(opId=-1659)


def test_format_192_with_dl_open_and_a_noisy_first_subpacket() -> None:
    subpackets = {"snr": [-36] + [12] * 30, "rssi": [-120] * 31, "frequency": [868_180_000] * 31}
    message = decode_uplink(format=192, dlOpen=True, subpackets=subpackets)
    assert (message.format, message.dlOpen) == (192, True)
    assert message.subpackets is not None and message.subpackets.snr[0] == -36.0


def test_downlinks_as_bin() -> None:
    sent = {"command": "dlDataQue", "opId": -1, "epEui": -2, "queId": 5.0, "cntDepend": 0, "prio": 1}
    assert MSGPACK.decode(pack(sent | {"userData": [b"\x01\xff"]})) == DlDataQue(
        opId=-1, epEui=(1 << 64) - 2, queId=5, cntDepend=False, userData=[[1, 255]], prio=1.0
    )


def test_text_that_is_no_utf8() -> None:
    payload = pack(map_of(connect()) | {"name": "???"}).replace(b"???", b"\xe4\xf6\xfc")
    message = MSGPACK.decode(payload)
    assert isinstance(message, Con) and message.name == "\ufffd\ufffd\ufffd"


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        ({"code": 22}, (22, "")),
        ({"message": "busy"}, (71, "busy")),
        ({"code": 5.0, "message": None}, (5, "")),
    ],
)
def test_an_error_that_lacks_a_field_still_ends_its_operation(
    sent: dict[str, Any], taken: tuple[int, str]
) -> None:
    code, text = taken
    assert MSGPACK.decode(pack({"command": "error", "opId": -8} | sent)) == Error(
        opId=-8, code=code, message=text
    )
