"""The messages of BSSCI 1.0.0 as typed values, and the one that differs in the 1.1 dialect.

The message catalogue; SC is the service center (us), BS a base station. ``->`` is BS to SC, ``<-`` SC to BS.
An operation is three messages with one opId: request, response (``Rsp``), completion (``Cmp``)::

    Connect                   con            ->  conRsp            <-  conCmp            ->   §5.3, opId 0
    Ping                      ping           ->  pingRsp           <-  pingCmp           ->   §5.4
                              ping           <-  pingRsp           ->  pingCmp           <-
    Status                    status         <-  statusRsp         ->  statusCmp         <-   §5.5
    Attach over the air       att            ->  attRsp            <-  attCmp            ->   §5.6
    Detach over the air       det            ->  detRsp            <-  detCmp            ->   §5.7
    Attach propagate          attPrp         <-  attPrpRsp         ->  attPrpCmp         <-   §5.8
    Detach propagate          detPrp         <-  detPrpRsp         ->  detPrpCmp         <-   §5.9
    Uplink                    ulData         ->  ulDataRsp         <-  ulDataCmp         ->   §5.10
    Uplink transmit           ulDataTx       <-  ulDataTxRsp       ->  ulDataTxCmp       <-   §5.11
    Downlink queue            dlDataQue      <-  dlDataQueRsp      ->  dlDataQueCmp      <-   §5.12
    Downlink revoke           dlDataRev      <-  dlDataRevRsp      ->  dlDataRevCmp      <-   §5.13
    Downlink result           dlDataRes      ->  dlDataResRsp      <-  dlDataResCmp      ->   §5.14
    Downlink RX status        dlRxStat       ->  dlRxStatRsp       <-  dlRxStatCmp       ->   §5.15
    Downlink RX status query  dlRxStatQry    <-  dlRxStatQryRsp    ->  dlRxStatQryCmp    <-   §5.16
    Error                     error          in place of a response or a completion           §5.17
                              errorAck       from the side that got the error
    Variable MAC on           vm.activate    <-  vm.activateRsp    ->  vm.activateCmp    <-   sub-channel vm.,
    Variable MAC off          vm.deactivate  <-  vm.deactivateRsp  ->  vm.deactivateCmp  <-   optional for
    Variable MAC status       vm.status      <-  vm.statusRsp      ->  vm.statusCmp      <-   a BS
    Variable MAC uplink       vm.ulData      ->  vm.ulDataRsp      <-  vm.ulDataCmp      ->

Fields have their wire names. Units: times named ``...Time`` in ns since 1970 UTC of the station's clock,
durations in ns, ``snr`` in dB, ``rssi`` in dBm, frequencies in Hz. Byte arrays are arrays of integers, as on
the wire. A field's type says which values are allowed (``bssci.wire.fields``); rules that involve a second
field are in ``bssci.wire.checks``. The messages of the sub-channel are in ``bssci.wire.variable_mac``; all
messages, by operation, in ``bssci.wire.operations``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from bssci.wire.fields import (
    I64,
    MAX_COUNTERS,
    U16,
    U24,
    U32,
    U64,
    Byte,
    Bytes4,
    Bytes16,
    Eui,
    FiniteNumber,
    GeoLocation,
    Mode,
    Subpackets,
    UserData,
    Uuid,
)


def _command(class_name: str) -> str:
    return class_name[0].lower() + class_name[1:]


class Message(
    Struct, frozen=True, kw_only=True, tag_field="command", tag=_command, omit_defaults=True, gc=False
):
    """Anything that goes over the wire; ``command`` is the tag, or the class name in lower camel case."""

    opId: I64


class Request(Message, frozen=True, kw_only=True):
    """The first message of an operation."""


class Response(Message, frozen=True, kw_only=True):
    """The second message of an operation, from its responder."""


class Completion(Message, frozen=True, kw_only=True):
    """The third message of an operation, from its initiator."""


# -- Connect §5.3


class Con(Request, frozen=True, kw_only=True):
    """A base station opens its session, or asks to resume it; opId 0."""

    version: str
    bsEui: Eui
    vendor: str | None = None
    model: str | None = None
    name: str | None = None
    swVersion: str | None = None
    info: dict[str, object] | None = None
    bidi: bool
    geoLocation: GeoLocation | None = None
    snBsUuid: Uuid
    snBsOpId: I64 | None = None
    """BS opId that the service center must have seen for a resume"""
    snScOpId: I64 | None = None
    """last SC opId that the station has seen"""


class ConRsp(Response, frozen=True, kw_only=True):
    """The service center identifies itself and says whether the session is resumed."""

    version: str | None = None
    scEui: Eui
    vendor: str | None = None
    model: str | None = None
    name: str | None = None
    swVersion: str | None = None
    info: dict[str, object] | None = None
    snResume: bool
    snScUuid: Uuid


class ConCmp(Completion, frozen=True, kw_only=True):
    """Completion of ``con``; from here on other operations may run."""


# -- Ping §5.4


class Ping(Request, frozen=True, kw_only=True):
    """Request for a sign of life from the other side."""


class PingRsp(Response, frozen=True, kw_only=True):
    """The answer to ``ping``."""


class PingCmp(Completion, frozen=True, kw_only=True):
    """Completion of ``ping``."""


# -- Status §5.5


class Status(Request, frozen=True, kw_only=True):
    """Request of the service center for a station's status."""


class StatusRsp(Response, frozen=True, kw_only=True):
    """A station's status; code, message, time and dutyCycle are mandatory, but often missing in practice."""

    code: I64 | None = None
    """result; 0: ok"""
    message: str | None = None
    time: U64 | None = None
    """ns UTC, though one vendor sends microseconds"""
    dutyCycle: FiniteNumber | None = None
    """fraction of the last hour in which the station transmitted"""
    geoLocation: GeoLocation | None = None
    uptime: FiniteNumber | None = None
    """s since the station started"""
    temp: FiniteNumber | None = None
    """degrees Celsius"""
    cpuLoad: FiniteNumber | None = None
    """0..1, though one vendor sends percent"""
    memLoad: FiniteNumber | None = None
    """fraction of the memory in use, 0..1"""
    config: dict[str, object] | None = None


class StatusCmp(Completion, frozen=True, kw_only=True):
    """Completion of ``status``."""


# -- Attach and detach over the air §5.6, §5.7


class Att(Request, frozen=True, kw_only=True):
    """An end point asks to be attached."""

    epEui: Eui
    rxTime: U64
    """centre of the last subpacket"""
    rxDuration: U64 | None = None
    attachCnt: U24
    snr: FiniteNumber
    rssi: FiniteNumber
    eqSnr: FiniteNumber | None = None
    profile: Mode | None = None
    subpackets: Subpackets | None = None
    nonce: Bytes4
    sign: Bytes4
    shAddr: U16 | None = None
    """short address, only if the station assigned it"""
    dualChan: bool
    repetition: bool
    wideCarrOff: bool
    longBlkDist: bool


class AttRsp(Response, frozen=True, kw_only=True):
    """The end point is attached."""

    nwkSnKey: Bytes16
    shAddr: U16 | None = None
    """short address, only if the station did not assign it"""


class AttCmp(Completion, frozen=True, kw_only=True):
    """Completion of ``att``."""


class Det(Request, frozen=True, kw_only=True):
    """An end point asks to be detached."""

    epEui: Eui
    rxTime: U64
    rxDuration: U64 | None = None
    packetCnt: U32
    snr: FiniteNumber
    rssi: FiniteNumber
    eqSnr: FiniteNumber | None = None
    profile: Mode | None = None
    subpackets: Subpackets | None = None
    sign: Bytes4


class DetRsp(Response, frozen=True, kw_only=True):
    """The end point is detached."""

    sign: Bytes4


class DetCmp(Completion, frozen=True, kw_only=True):
    """Completion of ``det``."""


# -- Attach and detach propagate §5.8, §5.9


class AttPrp(Request, frozen=True, kw_only=True):
    """Request to a station to serve an end point."""

    epEui: Eui
    bidi: bool
    nwkSnKey: Bytes16
    shAddr: U16
    lastPacketCnt: U32
    dualChan: bool
    repetition: bool
    wideCarrOff: bool
    longBlkDist: bool


class AttPrp11(Request, frozen=True, kw_only=True, tag="attPrp"):
    """``attPrp`` of the 1.1 dialect, with ``epClass`` and ``syncBurst`` in place of ``bidi``."""

    epEui: Eui
    epClass: Literal["z", "a", "b", "c"]
    """z: uplink only; a, b, c: with downlink"""
    syncBurst: bool
    nwkSnKey: Bytes16
    shAddr: U16
    lastPacketCnt: U32
    dualChan: bool
    repetition: bool
    wideCarrOff: bool
    longBlkDist: bool


class AttPrpRsp(Response, frozen=True, kw_only=True):
    """The station serves the end point, which only the opId identifies."""


class AttPrpCmp(Completion, frozen=True, kw_only=True):
    """Completion of ``attPrp``."""


class DetPrp(Request, frozen=True, kw_only=True):
    """Request to a station to stop serving an end point."""

    epEui: Eui


class DetPrpRsp(Response, frozen=True, kw_only=True):
    """The station no longer serves the end point, which only the opId identifies."""


class DetPrpCmp(Completion, frozen=True, kw_only=True):
    """Completion of ``detPrp``."""


# -- Uplink §5.10, uplink transmit §5.11


class UlData(Request, frozen=True, kw_only=True):
    """A station received an uplink."""

    epEui: Eui
    rxTime: U64
    rxDuration: U64 | None = None
    packetCnt: U32
    snr: FiniteNumber
    rssi: FiniteNumber
    eqSnr: FiniteNumber | None = None
    profile: Mode | None = None
    """radio profile, such as eu1"""
    mode: Mode | None = None
    """ulp, ulp-rep or ulp-ll"""
    subpackets: Subpackets | None = None
    userData: UserData
    format: Byte = 0
    dlOpen: bool
    """the end point opened its downlink window"""
    responseExp: bool
    """the end point expects a response; requires dlOpen"""
    dlAck: bool
    """the end point acknowledges the downlink that answered the uplink packetCnt - 1"""


class UlDataRsp(Response, frozen=True, kw_only=True):
    """The uplink is on disk."""


class UlDataCmp(Completion, frozen=True, kw_only=True):
    """Completion of ``ulData``."""


class UlDataTx(Request, frozen=True, kw_only=True):
    """Request to a station to transmit an uplink itself; optional for a station."""

    epEui: Eui
    nwkSnKey: Bytes16
    shAddr: U16
    packetCnt: U32
    profile: Mode | None = None
    userData: UserData
    format: Byte = 0


class UlDataTxRsp(Response, frozen=True, kw_only=True):
    """The station accepted the uplink for transmission."""


class UlDataTxCmp(Completion, frozen=True, kw_only=True):
    """Completion of ``ulDataTx``."""


# -- Downlink §5.12 to §5.16


class DlDataQue(Request, frozen=True, kw_only=True):
    """Request to a station to queue a downlink; it sends at most one of the entries."""

    epEui: Eui
    queId: U64
    cntDepend: bool
    """userData holds one entry for each counter of packetCnt"""
    packetCnt: Annotated[list[U32], Meta(max_length=MAX_COUNTERS)] | None = None
    userData: Annotated[list[UserData], Meta(max_length=MAX_COUNTERS)]
    """one entry if not cntDepend; none to send an acknowledgement only"""
    format: Byte = 0
    prio: FiniteNumber = 0.0
    """higher first"""
    responseExp: bool = False
    responsePrio: bool = False
    dlWindReq: bool = False
    expOnly: bool = False


class DlDataQueRsp(Response, frozen=True, kw_only=True):
    """The downlink is queued."""


class DlDataQueCmp(Completion, frozen=True, kw_only=True):
    """Completion of ``dlDataQue``."""


class DlDataRev(Request, frozen=True, kw_only=True):
    """Request to a station to revoke a queued downlink."""

    epEui: Eui
    queId: U64


class DlDataRevRsp(Response, frozen=True, kw_only=True):
    """The downlink is out of the queue."""


class DlDataRevCmp(Completion, frozen=True, kw_only=True):
    """Completion of ``dlDataRev``."""


class DlDataRes(Request, frozen=True, kw_only=True):
    """A station reports the result of a queued downlink."""

    epEui: Eui
    queId: U64
    result: Literal["sent", "expired", "invalid"]
    txTime: U64 | None = None
    """ns UTC of the station's clock, if the downlink was sent"""
    packetCnt: U32 | None = None
    """counter of the uplink that the downlink answered, if it was sent"""


class DlDataResRsp(Response, frozen=True, kw_only=True):
    """The result is on disk."""


class DlDataResCmp(Completion, frozen=True, kw_only=True):
    """Completion of ``dlDataRes``."""


class DlRxStat(Request, frozen=True, kw_only=True):
    """An end point reports how well it received a downlink."""

    epEui: Eui
    rxTime: U64
    packetCnt: U32
    dlRxSnr: FiniteNumber
    dlRxRssi: FiniteNumber


class DlRxStatRsp(Response, frozen=True, kw_only=True):
    """The reception status is on disk."""


class DlRxStatCmp(Completion, frozen=True, kw_only=True):
    """Completion of ``dlRxStat``."""


class DlRxStatQry(Request, frozen=True, kw_only=True):
    """Request to a station to ask an end point how well it receives downlinks."""

    epEui: Eui


class DlRxStatQryRsp(Response, frozen=True, kw_only=True):
    """The station will ask the end point."""


class DlRxStatQryCmp(Completion, frozen=True, kw_only=True):
    """Completion of ``dlRxStatQry``."""


# -- Error §5.17


class Error(Message, frozen=True, kw_only=True):
    """Takes the place of a response or a completion and ends the operation."""

    code: I64
    """a POSIX errno, see ErrorCode"""
    message: str


class ErrorAck(Message, frozen=True, kw_only=True):
    """Acknowledgement of ``error``: the peer knows that the operation is over."""


def command_of(kind: type[Message]) -> str:
    """Return the wire's name for a class of messages: ``ulData`` for UlData."""
    return str(kind.__struct_config__.tag)
