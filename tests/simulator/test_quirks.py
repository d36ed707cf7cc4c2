"""Each quirk does what its name says, and what results is still understood."""

from __future__ import annotations

import msgspec
import pytest

from bssci.simulator.connection import CODECS, packer
from bssci.simulator.quirks import LATE_CLOCK_NS, QUIRKS, VENDORS, Document, Quirks
from bssci.wire.codec import Encoding
from bssci.wire.messages import Con, DlDataRes, StatusRsp, UlData

TOP_BIT = 0xCAFE000000000001


def con() -> Document:
    return {
        "command": "con",
        "opId": 0,
        "bsEui": TOP_BIT,
        "snBsUuid": [0, 127, 128, 255],
        "geoLocation": [1, 2, 3],
    }


def uplink() -> Document:
    return {
        "command": "ulData",
        "opId": 1,
        "epEui": TOP_BIT,
        "rxTime": 10**18 + 1,
        "userData": [1, 2],
        "snr": 1.5,
    }


def status() -> Document:
    load = {"cpuLoad": 0.5, "uptime": 9, "geoLocation": [1, 2, 3], "dutyCycle": 0.1}
    return {"command": "statusRsp", "opId": -1, "code": 0, "message": "ok", "time": 10**18} | load


@pytest.mark.parametrize(
    ("name", "message", "expected"),
    [
        ("signed-uuid", con(), {"snBsUuid": [0, 127, -128, -1]}),
        ("bin-arrays", con(), {"snBsUuid": b"\x00\x7f\x80\xff"}),
        ("bin-arrays", uplink(), {"userData": b"\x01\x02"}),
        ("negative-eui", con(), {"bsEui": TOP_BIT - 2**64}),
        ("negative-eui", uplink(), {"epEui": TOP_BIT - 2**64}),
        ("nil-fields", uplink(), dict.fromkeys(("rxDuration", "eqSnr", "profile", "mode", "subpackets"))),
        ("info-string", con(), {"info": ""}),
        ("geo-zero", con(), {"geoLocation": [0, 0, 0]}),
        ("geo-zero", status(), {"geoLocation": [0, 0, 0]}),
        ("microseconds-time", status(), {"time": 10**15}),
        ("percent-cpu", status(), {"cpuLoad": 50.0}),
        ("late-clock", uplink(), {"rxTime": 10**18 + 1 - LATE_CLOCK_NS}),
        ("late-clock", status(), {"time": 10**18 - LATE_CLOCK_NS}),
    ],
)
def test_changes_only_what_it_names(name: str, message: Document, expected: Document) -> None:
    original = dict(message)
    assert Quirks([name]).apply(message) == original | expected


def test_float_numbers_stay_the_same_numbers() -> None:
    changed = Quirks(["float-numbers"]).apply(uplink())
    assert changed == uplink()
    assert type(changed["opId"]) is float
    assert type(changed["rxTime"]) is int, "10**18 + 1 is no float64"


def test_sorted_keys_put_the_command_elsewhere() -> None:
    assert list(Quirks(["sorted-keys"]).apply(con())) == sorted(con())


def test_sparse_status_leaves_out_what_it_can() -> None:
    assert Quirks(["sparse-status"]).apply(status()).keys() == {"command", "opId", "code", "message", "time"}


def test_unknown_and_contradicting_names_are_refused() -> None:
    with pytest.raises(ValueError, match="no quirk 'odd'"):
        Quirks(["odd", "json"])
    with pytest.raises(ValueError, match="exclude each other"):
        Quirks(["bin-arrays", "json"])


@pytest.mark.parametrize(
    "names", [*([name] for name in QUIRKS), *(vendor.quirks for vendor in VENDORS.values())]
)
def test_a_service_center_still_understands(names: list[str]) -> None:
    plain = ("late-clock", "sparse-status", "microseconds-time", "percent-cpu", "geo-zero")
    quirks = Quirks(names)
    codec = CODECS[Encoding.JSON if "json" in quirks else Encoding.MESSAGEPACK]
    messages = [
        Con(opId=0, version="1.0.0", bsEui=TOP_BIT, bidi=True, snBsUuid=list(range(120, 136))),
        UlData(
            opId=5,
            epEui=TOP_BIT,
            rxTime=1_700_000_000_000_000_000,
            packetCnt=7,
            snr=1.0,
            rssi=-100.0,
            userData=[1, 255],
            dlOpen=True,
            responseExp=False,
            dlAck=False,
        ),
        StatusRsp(opId=-1, code=0, message="ok", time=1_700_000_000_000_000_000, dutyCycle=0.0, cpuLoad=0.5),
        DlDataRes(opId=6, epEui=TOP_BIT, queId=2**64 - 1, result="expired"),
    ]
    for message in messages:
        understood = codec.decode(packer(quirks, codec)(message)[12:])
        assert type(understood) is type(message)
        if not any(name in quirks for name in plain):
            assert msgspec.to_builtins(understood) == msgspec.to_builtins(message)
