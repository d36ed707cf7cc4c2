"""Tables of a controller as a database keeps them, and what its sensor answers."""

from __future__ import annotations

import copy
from typing import Any

MAC = "0a1b2c3d4e5f"
TABLES: dict[str, Any] = {
    "DeviceType": [{"Id": 1, "Name": "Sensor"}],
    "DeviceTemplate": [
        {"Id": 1, "Name": "Controller F2", "Model": "F2", "DeviceTypeId": 2},
        {"Id": 7, "Name": "Soil probe", "Model": "SP-3", "Description": "", "DeviceTypeId": 1},
        {"Id": 9, "Name": "Lock", "Model": "", "DeviceTypeId": 3},
    ],
    "Device": [
        {"Id": 100, "DeviceName": "Greenhouse", "DeviceTemplateId": 1, "MacAddress": "0A:1B:2C:3D:4E:5F"},
        {"Id": 101, "DeviceName": "Bed 3", "DeviceTemplateId": 7, "SerialNumber": "S1", "MacAddress": None},
        {"Id": 102, "DeviceName": "Gate", "DeviceTemplateId": 9},
    ],
    "Connector": [
        {"Id": 10, "ControllerId": 100, "ConnectorNumber": 1, "ConnectorTypeId": 1},
        {"Id": 11, "ControllerId": 100, "ConnectorNumber": 2, "ConnectorTypeId": 2},
    ],
    "Pin": [
        {"Id": 1, "ConnectorId": 10, "Position": 3, "DeviceId": 101},
        {"Id": 2, "ConnectorId": 10, "Position": 4, "DeviceId": None},
        {"Id": 3, "ConnectorId": 11, "Position": "strike-1", "DeviceId": 102},
    ],
    "DataPoint": [
        {"Id": 1, "DeviceTemplateId": 7, "Label": "temperature", "DataFormat": "number",
         "DataEncoding": "Int16", "Offset": 3, "Length": 2, "Append": "°C", "WholeNumber": 2, "Decimals": 1},
        {"Id": 2, "DeviceTemplateId": 7, "Label": "moisture", "DataEncoding": "Uint16", "Offset": 5,
         "Length": 2, "Append": "%", "Decimals": 1},
        {"Id": 3, "DeviceTemplateId": 7, "Label": "salt", "DataEncoding": "Uint8", "Offset": 8,
         "Length": 1, "Append": None, "Decimals": 0},
    ],
}  # fmt: skip
TOPIC = f"tele/f2-{MAC}/sensor-mode/J1/sensor-3"
ANSWER = "01 03 06 00 EB 01 F4 00 07"
"""what the probe says: 23.5 degrees Celsius, 50.0 %, salt 7; without its checksum"""


def tables(**changes: Any) -> dict[str, Any]:
    """The tables, some of them replaced."""
    return copy.deepcopy(TABLES) | changes


def row(table: str, number: int, **changes: Any) -> dict[str, Any]:
    """A row of a table, counted from 0, changed."""
    return TABLES[table][number] | changes


def modbus(text: str) -> str:
    """The answer with its checksum."""
    data, checksum = bytes.fromhex(text), 0xFFFF
    for byte in data:
        checksum ^= byte
        for _ in range(8):
            checksum = (checksum >> 1) ^ 0xA001 if checksum & 1 else checksum >> 1
    return (data + checksum.to_bytes(2, "little")).hex(" ").upper()
