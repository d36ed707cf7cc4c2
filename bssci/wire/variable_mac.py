"""The messages of the sub-channel ``vm.`` for variable MAC, which is optional for a base station.

The table of operations is in :mod:`bssci.wire.messages`.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from bssci.wire.fields import MAX_COUNTERS, MAX_TELEGRAM, U32, U64, Byte, FiniteNumber, Subpackets
from bssci.wire.messages import Completion, Request, Response


class VmActivate(Request, frozen=True, kw_only=True, tag="vm.activate"):
    """Request to a station to receive telegrams of another MAC as well."""

    macType: U32


class VmActivateRsp(Response, frozen=True, kw_only=True, tag="vm.activateRsp"):
    """The station receives them."""


class VmActivateCmp(Completion, frozen=True, kw_only=True, tag="vm.activateCmp"):
    """Completion of ``vm.activate``."""


class VmDeactivate(Request, frozen=True, kw_only=True, tag="vm.deactivate"):
    """Request to a station to stop receiving telegrams of another MAC."""

    macType: U32


class VmDeactivateRsp(Response, frozen=True, kw_only=True, tag="vm.deactivateRsp"):
    """The station no longer receives them."""


class VmDeactivateCmp(Completion, frozen=True, kw_only=True, tag="vm.deactivateCmp"):
    """Completion of ``vm.deactivate``."""


class VmStatus(Request, frozen=True, kw_only=True, tag="vm.status"):
    """Request to a station for the MACs that it receives."""


class VmStatusRsp(Response, frozen=True, kw_only=True, tag="vm.statusRsp"):
    """The MACs that the station receives, as numbers."""

    macTypes: Annotated[list[U32], Meta(max_length=MAX_COUNTERS)]


class VmStatusCmp(Completion, frozen=True, kw_only=True, tag="vm.statusCmp"):
    """Completion of ``vm.status``."""


class VmUlData(Request, frozen=True, kw_only=True, tag="vm.ulData"):
    """A station received a telegram of another MAC; only its bytes identify the sender."""

    macType: Byte
    userData: Annotated[list[Byte], Meta(max_length=MAX_TELEGRAM)]
    """bytes from the first one after the MAC type"""
    trxTime: U64
    """ns, counter of the transceiver"""
    sysTime: U64
    """ns UTC of the station's clock"""
    freqOff: FiniteNumber
    """an offset, though stations have been seen to send an absolute frequency"""
    snr: FiniteNumber
    rssi: FiniteNumber
    eqSnr: FiniteNumber | None = None
    subpackets: Subpackets | None = None
    carrSpace: Byte
    """0 narrow, 1 standard, 2 wide"""
    pattGrp: Byte
    """0 normal, 1 repetition, 2 low delay"""
    pattNum: U32
    crc: Annotated[list[U32], Meta(min_length=2, max_length=2)]
    """[header, payload]"""


class VmUlDataRsp(Response, frozen=True, kw_only=True, tag="vm.ulDataRsp"):
    """The telegram is on disk."""


class VmUlDataCmp(Completion, frozen=True, kw_only=True, tag="vm.ulDataCmp"):
    """Completion of ``vm.ulData``."""
