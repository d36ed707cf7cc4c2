"""``python -m tests.scanner.bluez``: a bluetoothd that is none, on a private bus; it hears what stdin says.

A line is JSON: ``{"address", "type", "name", "rssi", "manufacturer": {"76": hex}, "service": {uuid: hex}}``.
With ``--no-passive`` it knows nothing of monitors, as older ones.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from dbus_fast import BusType, PropertyAccess, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.message import Message
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property

ADAPTER = "/org/bluez/hci0"


class Adapter(ServiceInterface):
    def __init__(self) -> None:
        super().__init__("org.bluez.Adapter1")

    @dbus_method()
    def StartDiscovery(self):  # noqa: N802, ANN201
        said("discovery")

    @dbus_method()
    def StopDiscovery(self):  # noqa: N802, ANN201
        said("stopped")

    @dbus_method()
    def SetDiscoveryFilter(self, filter: "a{sv}"):  # noqa: N802, F722, F821, UP037, ANN201
        """Take anything."""

    @dbus_property(access=PropertyAccess.READ)
    def Powered(self) -> "b":  # noqa: N802, F821, UP037
        return True

    @dbus_property(access=PropertyAccess.READ)
    def Discovering(self) -> "b":  # noqa: N802, F821, UP037
        return True

    @dbus_property(access=PropertyAccess.READ)
    def Roles(self) -> "as":  # noqa: N802, F722, UP037
        return ["central"]


class Monitors(ServiceInterface):
    def __init__(self) -> None:
        super().__init__("org.bluez.AdvertisementMonitorManager1")
        self.applications: list[str] = []

    @dbus_method()
    def RegisterMonitor(self, application: "o"):  # noqa: N802, F821, UP037, ANN201
        said("monitor")

    @dbus_method()
    def UnregisterMonitor(self, application: "o"):  # noqa: N802, F821, UP037, ANN201
        said("stopped")

    @dbus_property(access=PropertyAccess.READ)
    def SupportedMonitorTypes(self) -> "as":  # noqa: N802, F722, UP037
        return ["or_patterns"]


def properties_of(heard: dict[str, Any]) -> dict[str, Variant]:
    found = {
        "Address": Variant("s", heard["address"]),
        "AddressType": Variant("s", heard.get("type", "public")),
        "Adapter": Variant("o", ADAPTER),
        "Alias": Variant("s", heard.get("name", heard["address"])),
        "Connected": Variant("b", False),
        "Paired": Variant("b", False),
        "ServicesResolved": Variant("b", False),
        "Blocked": Variant("b", False),
        "Trusted": Variant("b", False),
        "Bonded": Variant("b", False),
        "LegacyPairing": Variant("b", False),
        "UUIDs": Variant("as", heard.get("uuids", [])),
        "RSSI": Variant("n", heard.get("rssi", -60)),
        "ManufacturerData": Variant(
            "a{qv}",
            {
                int(company): Variant("ay", bytes.fromhex(data))
                for company, data in heard.get("manufacturer", {}).items()
            },
        ),
        "ServiceData": Variant(
            "a{sv}",
            {uuid: Variant("ay", bytes.fromhex(data)) for uuid, data in heard.get("service", {}).items()},
        ),
    }
    if "name" in heard:
        found["Name"] = Variant("s", heard["name"])
    return found


def said(word: str) -> None:
    print(word, flush=True)


async def main() -> None:
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    interfaces: dict[str, dict[str, dict[str, Variant]]] = {
        ADAPTER: {
            "org.bluez.Adapter1": {
                "Powered": Variant("b", True),
                "Discovering": Variant("b", True),
                "Roles": Variant("as", ["central"]),
                "Address": Variant("s", "00:00:00:00:00:01"),
            }
        }
    }
    bus.export(ADAPTER, Adapter())
    if "--no-passive" not in sys.argv:
        bus.export(ADAPTER, Monitors())
        interfaces[ADAPTER]["org.bluez.AdvertisementMonitorManager1"] = {
            "SupportedMonitorTypes": Variant("as", ["or_patterns"])
        }

    def answer(message: Message) -> Message | bool:
        if message.member == "GetManagedObjects":
            return Message.new_method_return(message, "a{oa{sa{sv}}}", [interfaces])
        return False

    bus.add_message_handler(answer)
    await bus.request_name("org.bluez")
    said("ready")
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        heard = json.loads(line)
        path = f"{ADAPTER}/dev_{heard['address'].replace(':', '_')}"
        if path not in interfaces:
            interfaces[path] = {"org.bluez.Device1": properties_of(heard)}
            await bus.send(
                Message.new_signal(
                    "/", "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", "oa{sa{sv}}",
                    [path, interfaces[path]],
                )
            )  # fmt: skip
        else:
            interfaces[path] = {"org.bluez.Device1": properties_of(heard)}
            await bus.send(
                Message.new_signal(
                    path, "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as",
                    ["org.bluez.Device1", interfaces[path]["org.bluez.Device1"], []],
                )
            )  # fmt: skip


if __name__ == "__main__":
    asyncio.run(main())
