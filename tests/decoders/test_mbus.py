from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from bssci.decoders import mbus
from bssci.decoders.interfaces import DecodeError, IDecoder, IDecoderFactory, Payload
from bssci.decoders.mbus import MBusDecoder
from bssci.decoders.wireless_mbus import checksum, link_address
from bssci.model import Reading
from bssci.plugins.mbus import mbus as factory
from bssci.settings.rows import SettingsError

# the examples of a gas meter in annex N of OMS volume 2, encrypted in mode 5
KEY = {"key": "0102030405060708090A0B0C0D0E0F11"}
SEALED = bytes.fromhex(
    "2E44931578563412330333637A2A0020255923C95AAA26D1B2E7493BC2AD013EC4A6F6D3529B520EDFF0EA6DEFC955B29D6D69EBF3EC8A"
)
WITHOUT_CHECKSUMS = bytes.fromhex(
    "2E4493157856341233037A2A0020255923C95AAA26D1B2E7493B013EC4A6F6D3529B520EDFF0EA6DEFC99D6D69EBF3"
)
GAS = [Reading("volume", 28504.27, "m³"), Reading("error_flags", 0)]

MBUS = factory.build({})


def payload(data: bytes | str, kind: Any = "variable-mac") -> Payload:
    data = bytes.fromhex(data) if isinstance(data, str) else data
    return Payload(data=data, kind=kind, device="mioty:0011223344556677", received_at=0.0)


def code(data: bytes | str, parameters: dict[str, Any] | None = None) -> str:
    with pytest.raises(DecodeError) as caught:
        MBUS.decode(payload(data), parameters or {})
    return caught.value.code


def test_it_is_a_plugin_and_a_decoder() -> None:
    assert verifyObject(IDecoderFactory, factory)
    assert verifyObject(IDecoder, MBUS)


def test_frames_of_the_variable_mac_are_claimed() -> None:
    assert MBUS.matches(payload(SEALED))
    assert not MBUS.matches(payload(SEALED, "uplink"))
    assert not MBUS.matches(payload(b"\xff" * 40))


@pytest.mark.parametrize("frame", [SEALED, WITHOUT_CHECKSUMS], ids=["checksums", "none"])
def test_an_encrypted_meter(frame: bytes) -> None:
    assert MBUS.decode(payload(frame), KEY) == GAS


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (  # a water meter
            "1844AE4C4455223368077A55000000041389E20100023B0000",
            [Reading("volume", 123.529, "m³"), Reading("flow", 0, "m³/h")],
        ),
        (  # a thermometer
            "2744961566666666201B7AF90000202F2F02651E094265180902FD1B30030DFD0F05302E302E340F",
            [
                Reading("external_temperature", 23.34, "°C"),
                Reading("external_temperature_storage_1", 23.28, "°C"),
                Reading("digital_input_binary", 816),
                Reading("other_software_version", "4.0.0"),
            ],
        ),
        (  # wired: a heat meter
            "683D3D6808017200512002824D0204008800000407000000000C15030000000B2E0000000B3B0000000A5A88120A5E1605"
            "0B61237700026C8C110227370D0F60006716",
            [
                Reading("energy", 0, "kWh"),
                Reading("volume", 0.3, "m³"),
                Reading("power", 0, "W"),
                Reading("flow", 0, "m³/h"),
                Reading("flow_temperature", 128.8, "°C"),
                Reading("return_temperature", 51.6, "°C"),
                Reading("temperature_difference", 77.23, "K"),
                Reading("time_point", "2012-01-12"),
                Reading("uptime", 3383 * 86400, "s"),
            ],
        ),
    ],
    ids=["water", "thermometer", "wired"],
)
def test_a_plain_meter(frame: str, expected: list[Reading]) -> None:
    assert MBUS.decode(payload(frame), {}) == expected


def test_values_that_stand_for_others_say_so() -> None:
    heat_cost_allocator = (
        "314493441234567835087a740000200b6e2701004b6e450100426c5f2ccb086e790000c2086c7f21326cffff046d200b7422"
    )
    found = MBUS.decode(payload(heat_cost_allocator), {})
    assert [(reading.name, reading.value) for reading in found] == [
        ("dimensionless_hca", 127),
        ("dimensionless_hca_storage_1", 145),
        ("time_point_storage_1", "2018-12-31"),
        ("dimensionless_hca_storage_17", 79),
        ("time_point_storage_17", "2019-01-31"),
        ("time_point", "2019-02-20T11:32:00"),
    ]


def test_a_missing_wrong_or_bad_key_is_named() -> None:
    assert code(SEALED) == "no_key"
    assert code(SEALED, {"key": "00" * 16}) == "wrong_key"
    assert code(SEALED, {"key": "00" * 15}) == "bad_key"


def test_the_key_of_a_meter_may_stand_in_the_settings() -> None:
    [row] = factory.settings
    known = factory.build(
        {"MBUS_KEYS": row.parse(f"ABC-00000001={'00' * 16}, elz-33303230={KEY['key']}", ".env")}
    )
    sealed = payload(SEALED)
    address = link_address(SEALED)
    assert address is not None
    keys = {f"{address.manufacturer}-{address.identification}": KEY["key"]}
    assert MBusDecoder(keys).decode(sealed, {}) == GAS
    with pytest.raises(DecodeError, match="need a key"):
        known.decode(sealed, {})
    with pytest.raises(SettingsError, match="must be KAM-"):
        row.parse("KAM-1=00", ".env")


def test_what_is_no_frame() -> None:
    assert code(b"") == "empty"
    assert code(SEALED[:20]) == "too_short"
    assert code(SEALED[:-3]) == "bad_frame"
    assert code(SEALED[:20] + bytes([SEALED[20] ^ 1]) + SEALED[21:], KEY) == "bad_checksum"
    assert code("09FFFFFFFFFFFFFFFFFFFF") == "bad_frame"


def test_the_checksum_of_the_standard() -> None:
    # EN 13757-4, the first block of the example of a gas meter
    assert checksum(SEALED[:10]) == int.from_bytes(SEALED[10:12], "big") == 0x3363


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(mbus, "import_module", absent)
    with pytest.raises(DecodeError, match=r"pip install 'bssci\[mbus\]'"):
        MBUS.decode(payload(SEALED), KEY)


PLAIN_HEAD = bytes.fromhex("44AE4C4455223368077A55000000")


RECORDS = {
    "0413": 4, "0C13": 4, "0513": 4, "02FD17": 2, "4413": 4, "0B2E": 3, "8C1013": 4, "07FB00": 8, "0265": 2,
}  # fmt: skip
"""bytes of the value by the head of a record: integers, BCD, floats, with a storage number or a tariff"""
INFINITE = bytes.fromhex("0000807F")


def record(head: str) -> st.SearchStrategy[bytes]:
    size = RECORDS[head]
    value = st.binary(min_size=size, max_size=size) | st.just(INFINITE[-size:].rjust(size, b"\0"))
    return value.map(lambda data: bytes.fromhex(head) + data)


records = st.lists(st.sampled_from(sorted(RECORDS)).flatmap(record), max_size=12).map(b"".join)
any_bytes = st.binary(max_size=200)


@given(st.one_of(any_bytes, st.one_of(any_bytes, records).map(lambda rest: PLAIN_HEAD + rest)))
def test_any_bytes_give_readings_or_a_decode_error(data: bytes) -> None:
    for frame in (data, bytes((min(len(data), 255),)) + data):
        for parameters in ({}, KEY):
            try:
                found = MBUS.decode(payload(frame), parameters)
            except DecodeError:
                continue
            names = [reading.name for reading in found]
            assert len(set(names)) == len(names)
            assert all(abs(r.value) < 1e300 for r in found if not isinstance(r.value, str))
