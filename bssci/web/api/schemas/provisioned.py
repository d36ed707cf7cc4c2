"""Provisioned devices: those with certificates of our own authority."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bssci.center.devices.provisioned import ProvisionedState
from bssci.web.api.schemas.common import Answer
from bssci.web.http.replies import Done


class WantedProvisioned(msgspec.Struct, kw_only=True):
    """Selection of provisioned devices."""

    q: Annotated[str, Meta(description="is in the name, the MAC address or the serial number")] = ""
    state: ProvisionedState | None = None
    page: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    per_page: Annotated[int, Meta(ge=1, le=1000)] = 50


class ProvisionedRow(Answer):
    """One provisioned device."""

    id: str
    """its name at the broker, and in topics"""
    mac_address: str
    serial_number: str
    status: Literal["active", "revoked"]
    state: ProvisionedState
    """active, also when the certificate expires soon (ending) or has expired"""
    registered_at: str
    certificate_expires: str
    certificate_serial: str
    not_after: float
    """when the certificate expires, in Unix seconds"""
    days_left: int
    bundle_waits: bool
    """its key is still here, and its bundle can be taken once"""
    last_heard: float | None
    """Unix seconds at which a source heard it last"""


class ProvisionedList(Answer):
    """One page of devices, those that need attention first."""

    devices: list[ProvisionedRow]
    total: int
    page: int
    per_page: int
    counts: dict[str, int]
    """devices by state"""
    trouble: str
    """why the registry cannot be read; empty: it can"""


class ProvisionedDetail(ProvisionedRow):
    """All about one provisioned device."""

    configuration: dict[str, Any]
    """of its MQTT client, without the key"""


class NewProvisioned(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A device to provision."""

    id: Annotated[
        str, Meta(min_length=1, max_length=80, description="MAC address of a controller, or a scanner's name")
    ]
    serial_number: Annotated[str, Meta(max_length=64)] = ""
    force: Annotated[
        bool, Meta(description="also if it is registered; the certificate that it had is revoked then")
    ] = False


class ProvisionedNow(Done, kw_only=True):
    """A device as it is after a change."""

    device: ProvisionedDetail
