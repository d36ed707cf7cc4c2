"""Topic and payload of a telegram that a base station received with another MAC."""

from __future__ import annotations

from typing import Any

from bssci.decoders.wireless_mbus import link_address
from bssci.model import VariableMacUplink


def variable_mac_uplink(event: VariableMacUplink) -> tuple[str, dict[str, Any]]:
    """``bs/{EUI}/vm/ul``: as reported; ``wmbus`` names the sender of a wireless M-Bus frame."""
    payload: dict[str, Any] = {
        "bs_eui": event.base_station_eui,
        "macType": event.mac_type,
        "data": list(event.payload),
        "trxTime": event.trx_time,
        "sysTime": event.system_time,
        "freqOff": event.frequency,
        "snr": event.snr,
        "rssi": event.rssi,
        "crc": event.crc,
        "timestamp": event.at,
    }
    reported = {
        "eqSnr": event.equivalent_snr,
        "carrSpace": event.carrier_spacing,
        "pattGrp": event.pattern_group,
        "pattNum": event.pattern_number,
    }
    payload |= {name: value for name, value in reported.items() if value is not None}
    sender = link_address(event.payload)
    if sender is not None:
        payload["wmbus"] = {
            "manufacturer": sender.manufacturer,
            "id": sender.identification,
            "version": sender.version,
            "deviceType": sender.device_type,
        }
    return f"bs/{event.base_station_eui}/vm/ul", payload
