from __future__ import annotations

import base64
from typing import Any

import pytest

from bssci.decoders.bluetooth.advertisement import LONGEST, read_advertisement
from bssci.decoders.interfaces import DecodeError, Payload


def payload(
    data: str = "", envelope: dict[str, Any] | None = None, device: str = "ble:AA:BB:CC:DD:EE:FF"
) -> Payload:
    return Payload(
        data=bytes.fromhex(data), kind="telegram", device=device, received_at=0.0, envelope=envelope or {}
    )  # fmt: skip


@pytest.mark.parametrize("key", ["0x004c", "0x004C", "004c", "4C"])
def test_a_company_in_any_spelling(key: str) -> None:
    found = read_advertisement(payload(envelope={"manufacturer_data": {key: "AhU="}}))
    assert found.manufacturers == {0x004C: b"\x02\x15"}


@pytest.mark.parametrize(
    "key", ["0000fcd2-0000-1000-8000-00805f9b34fb", "0000FCD2-0000-1000-8000-00805F9B34FB", "fcd2"]
)
def test_a_service_in_any_spelling(key: str) -> None:
    found = read_advertisement(payload(envelope={"service_data": {key: "QA=="}}))
    assert found.services == {0xFCD2: b"\x40"}


def test_a_service_of_128_bits_keeps_them() -> None:
    uuid = "cba20d00-224d-11e6-9fb8-0002a5d5c51b"
    assert read_advertisement(payload(envelope={"service_data": {uuid: ""}})).services == {uuid: b""}
    raw = "1321" + bytes.fromhex(uuid.replace("-", ""))[::-1].hex() + "0102"
    assert read_advertisement(payload(raw)).services == {uuid: b"\x01\x02"}


def test_structures_in_the_bytes() -> None:
    found = read_advertisement(payload("020106" + "05ff4c000215" + "0416d2fc40" + "0620d2fc0000ff" + "0000"))
    assert found.manufacturers == {0x004C: b"\x02\x15"}
    assert found.services == {0xFCD2: b"\x40"}


def test_the_envelope_leads() -> None:
    envelope = {"manufacturer_data": {"0x004c": "AQ=="}}
    assert read_advertisement(payload("04ff4c0002", envelope)).manufacturers == {0x004C: b"\x01"}
    assert read_advertisement(payload("ff", envelope)).manufacturers == {0x004C: b"\x01"}


@pytest.mark.parametrize(
    ("device", "envelope"),
    [
        ("ble:A4:C1:38:02:83:F4", {}),
        ("ble:a4c1380283f4", {}),
        ("mioty:0011223344556677", {"device": {"address": "A4-C1-38-02-83-F4"}}),
    ],
)
def test_the_sender_s_address_is_that_of_the_device_or_the_message(
    device: str, envelope: dict[str, Any]
) -> None:
    assert read_advertisement(payload(device=device, envelope=envelope)).address == bytes.fromhex(
        "A4C1380283F4"
    )


@pytest.mark.parametrize(
    ("rssi", "known"), [(-60, -60), (-60.4, -60), (127, None), (True, None), ("-60", None)]
)
def test_a_signal_that_is_none_is_not_known(rssi: Any, known: int | None) -> None:
    assert read_advertisement(payload(envelope={"device": {"rssi": rssi}})).rssi == known


@pytest.mark.parametrize(
    ("data", "envelope", "code"),
    [
        ("05ff4c", {}, "bad_structure"),
        ("", {"manufacturer_data": []}, "bad_envelope"),
        ("", {"manufacturer_data": {"apple": "AQ=="}}, "bad_envelope"),
        ("", {"manufacturer_data": {"0x004c": "A"}}, "bad_envelope"),
        ("", {"manufacturer_data": {"0x004c": "A!=="}}, "bad_envelope"),
        ("", {"service_data": {"fcd2": 5}}, "bad_envelope"),
        ("", {"service_data": {"fcd2": "é"}}, "bad_envelope"),
    ],
)
def test_what_is_no_advertisement(data: str, envelope: dict[str, Any], code: str) -> None:
    with pytest.raises(DecodeError) as caught:
        read_advertisement(payload(data, envelope))
    assert caught.value.code == code


def test_what_is_longer_than_any_advertisement_is_not_read() -> None:
    def read(size: int) -> Any:
        data = base64.b64encode(bytes(size)).decode()
        return read_advertisement(payload(envelope={"service_data": {"fcd2": data}}))

    assert len(read(LONGEST).services[0xFCD2]) == LONGEST
    with pytest.raises(DecodeError, match="at most 1650"):
        read(LONGEST + 1)
    with pytest.raises(DecodeError, match="no advertisement is longer"):
        read_advertisement(payload((b"\x01\xff" * LONGEST).hex()))
