"""Devices of every kind, and the gateways that hear them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bssci.web.api.schemas.common import Answer
from bssci.web.api.schemas.readings import DecodingCounts
from bssci.web.http.replies import Done

Text = Annotated[str, Meta(max_length=200)]
Tags = Annotated[list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(max_length=50)]
StateName = Literal["known", "unknown", "changing", "blocked"]


class DevicePlace(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A place on the map, or in words."""

    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    lon: Annotated[float, Meta(ge=-180, le=180)] | None = None
    text: Text = ""


class WantedDevices(msgspec.Struct, kw_only=True):
    """Selection of devices."""

    kind: Annotated[str, Meta(description="mioty, ble, f2, scanner, ...")] = ""
    q: Annotated[str, Meta(description="is in the id, name, model, tags, or in what an unknown one says")] = (
        ""
    )
    state: StateName | None = None
    page: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    per_page: Annotated[int, Meta(ge=1, le=1000)] = 50


class DeviceSaid(Answer):
    """The last message of an unknown device, as far as it identifies the device."""

    name: str
    companies: list[str]
    services: list[str]
    data: str
    topic: str


class DeviceRow(Answer):
    """One device of a list."""

    id: str
    kind: str
    state: StateName
    name: str
    model: str
    """as it was entered; of a mioty sensor its type EUI"""
    decoder: str
    parent: str
    port: str
    location: dict[str, Any]
    tags: list[str]
    first_seen: float | None
    last_seen: float | None
    count: int
    gateway: str
    """the one that heard it last; of a mioty sensor the base station that has heard it best lately"""
    rssi: float | None
    said: DeviceSaid | None


class DeviceList(Answer):
    """One page of devices, those heard last first."""

    devices: list[DeviceRow]
    total: int
    page: int
    per_page: int
    counts: dict[str, int]
    """devices other than mioty sensors, by state"""


class HeardBy(Answer):
    """A gateway that hears a device."""

    gateway: str
    rssi: float | None
    last_seen: float


BlocklistEntries = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=200)]], Meta(max_length=10_000)
]
"""entries of a scanner's block list"""


class DeviceDetail(DeviceRow):
    """All about one device."""

    gateways: list[HeardBy]
    parameters: dict[str, Any]
    """of its decoder; masked"""
    decoding: DecodingCounts | None
    """None: this service runs without decoders"""


class DeviceChanges(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """New values of a device's entry; absent members stay. An empty object only makes the device known."""

    name: Text | msgspec.UnsetType = msgspec.UNSET
    model: Text | msgspec.UnsetType = msgspec.UNSET
    decoder: Text | msgspec.UnsetType = msgspec.UNSET
    parameters: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    parent: Text | msgspec.UnsetType = msgspec.UNSET
    port: Text | msgspec.UnsetType = msgspec.UNSET
    location: DevicePlace | None | msgspec.UnsetType = msgspec.UNSET
    tags: Tags | msgspec.UnsetType = msgspec.UNSET
    blocked: bool | msgspec.UnsetType = msgspec.UNSET


class DeviceMove(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A new place at a controller for a device."""

    to: Annotated[Text, Meta(description="id of the place: f2:0a1b2c3d4e5f/J1/4")]


_PERIOD = Meta(ge=0, le=86_400, description="s; handed on as it is")


class ControllerCommand(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Command to a strike or siren, as the controller takes it."""

    power_flag: Annotated[Literal[0, 1, 2], Meta(description="handed on as it is")] = msgspec.field(
        name="power-flag"
    )
    period: Annotated[int, _PERIOD] | Annotated[float, _PERIOD] | None = None


class ControllerAnswered(Done, kw_only=True):
    """Answer to a command that was sent to a controller."""

    topic: str
    answered: bool
    """false: no state came within 10 s; the command was sent nevertheless"""
    state: dict[str, Any] | None
    """the controller's message about the state that followed"""


class ImportedControllers(Answer):
    """Result of an import of tables of controllers."""

    dry_run: bool
    models: list[str]
    """names of decoders that it wrote"""
    devices: list[str]
    """ids of devices that it entered or changed"""
    empty_pins: int
    """pins without a device"""
    wrong: int
    """rows that are left out"""
    errors: list[str]
    """the first of them, each with its error"""


class GatewayRow(Answer):
    """One scanner or controller."""

    id: str
    kind: str
    name: str
    state: str
    since: float | None
    reason: str
    source: str
    first_seen: float
    last_seen: float
    count: int
    location: dict[str, Any]
    tags: list[str]
    note: str
    status: dict[str, Any] | None
    """its last report about itself"""
    status_at: float | None


class GatewayList(Answer):
    """Every scanner and controller."""

    gateways: list[GatewayRow]
    total: int
    counts: dict[str, dict[str, int]]
    """by kind, then by state"""


class GatewayDetail(GatewayRow):
    """All about one scanner or controller."""

    devices: int
    """devices that it heard last"""


class GatewayChanges(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """New values of a gateway's entry; absent members stay."""

    name: Text | msgspec.UnsetType = msgspec.UNSET
    location: DevicePlace | None | msgspec.UnsetType = msgspec.UNSET
    tags: Tags | msgspec.UnsetType = msgspec.UNSET
    note: Annotated[str, Meta(max_length=2000)] | msgspec.UnsetType = msgspec.UNSET


class BlocklistChanges(
    msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Changes of a scanner's block list: addresses, their beginnings, names, companies."""

    devices: BlocklistEntries | msgspec.UnsetType = msgspec.UNSET
    """the whole list"""
    add: BlocklistEntries | msgspec.UnsetType = msgspec.UNSET
    remove: BlocklistEntries | msgspec.UnsetType = msgspec.UNSET


class ScannerCommand(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Command to a Bluetooth scanner."""

    command: Literal["pause", "resume", "reload_config", "update_blocklist"]
    parameters: BlocklistChanges = BlocklistChanges()
    """of ``update_blocklist``"""


class ScannerAnswered(Done, kw_only=True):
    """Answer to a command that was sent to a scanner."""

    topic: str
    answered: bool
    """false: no report came within 10 s; the command was sent nevertheless"""
    report: dict[str, Any] | None
    """the scanner's report that followed"""
