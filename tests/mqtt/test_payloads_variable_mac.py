"""bssci.mqtt.payloads: what integrators get of another MAC's telegrams."""

from __future__ import annotations

from typing import Any

from bssci.model import EUI, VariableMacUplink
from bssci.mqtt.payloads import variable_mac_uplink

METER = bytes.fromhex("0f442d2c785634121b167a2a0000002f")


def uplink(**changes: Any) -> VariableMacUplink:
    fields: dict[str, Any] = {
        "at": 1_700_000_000.5,
        "base_station_eui": EUI("70B3D59CD0000001"),
        "mac_type": 2,
        "payload": METER,
        "trx_time": 123,
        "system_time": 1_700_000_000_000_000_000,
        "frequency": 868_950_000.0,
        "snr": 11.5,
        "rssi": -90.25,
        "crc": [4, 5],
    }
    return VariableMacUplink(**(fields | changes))


def test_a_meter_is_named() -> None:
    topic, payload = variable_mac_uplink(uplink())
    assert topic == "bs/70B3D59CD0000001/vm/ul"
    assert payload == {
        "bs_eui": "70B3D59CD0000001",
        "macType": 2,
        "data": list(METER),
        "dataHex": METER.hex(),
        "trxTime": 123,
        "sysTime": 1_700_000_000_000_000_000,
        "freqOff": 868_950_000.0,
        "snr": 11.5,
        "rssi": -90.25,
        "crc": [4, 5],
        "timestamp": 1_700_000_000.5,
        "wmbus": {"manufacturer": "KAM", "id": "12345678", "version": 27, "deviceType": 22},
    }


def test_what_is_no_meter_is_published_as_it_is() -> None:
    _, payload = variable_mac_uplink(
        uplink(
            payload=b"\x01\x02",
            equivalent_snr=12.0,
            carrier_spacing=0,
            pattern_group=1,
            pattern_number=3,
        )
    )
    assert "wmbus" not in payload
    assert payload["data"] == [1, 2]
    assert (payload["eqSnr"], payload["carrSpace"], payload["pattGrp"], payload["pattNum"]) == (12.0, 0, 1, 3)
