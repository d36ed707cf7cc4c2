"""Topic and payload of a telegram that a base station received with another MAC."""

from __future__ import annotations

from typing import Any

from bssci.decoders.wireless_mbus import link_address
from bssci.model import VariableMacUplink
from bssci.model.event_json import variable_mac_json


def variable_mac_uplink(event: VariableMacUplink) -> tuple[str, dict[str, Any]]:
    """``bs/{EUI}/vm/ul``: as reported; ``wmbus`` names the sender of a wireless M-Bus frame."""
    payload = variable_mac_json(event) | {"timestamp": event.at}
    sender = link_address(event.payload)
    if sender is not None:
        payload["wmbus"] = {
            "manufacturer": sender.manufacturer,
            "id": sender.identification,
            "version": sender.version,
            "deviceType": sender.device_type,
        }
    return f"bs/{event.base_station_eui}/vm/ul", payload
