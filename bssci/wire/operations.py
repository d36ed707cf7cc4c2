"""The three messages of each operation, the side that may begin it (§5.2), and so all messages there are."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from bssci.wire import messages as m
from bssci.wire import variable_mac as vm
from bssci.wire.messages import Completion, Message, Request, Response


class Initiator(Enum):
    """The side that may begin an operation."""

    BASE_STATION = "base station"
    SERVICE_CENTER = "service center"
    EITHER = "either"


class Operation(Struct, frozen=True):
    """The messages of one kind of operation."""

    initiator: Initiator
    requests: tuple[type[Request], ...]
    """the request in each dialect: usually one class"""
    response: type[Response]
    completion: type[Completion]


CONNECT = Operation(Initiator.BASE_STATION, (m.Con,), m.ConRsp, m.ConCmp)
OPERATIONS = (
    Operation(Initiator.EITHER, (m.Ping,), m.PingRsp, m.PingCmp),
    Operation(Initiator.SERVICE_CENTER, (m.Status,), m.StatusRsp, m.StatusCmp),
    Operation(Initiator.BASE_STATION, (m.Att,), m.AttRsp, m.AttCmp),
    Operation(Initiator.BASE_STATION, (m.Det,), m.DetRsp, m.DetCmp),
    Operation(Initiator.SERVICE_CENTER, (m.AttPrp, m.AttPrp11), m.AttPrpRsp, m.AttPrpCmp),
    Operation(Initiator.SERVICE_CENTER, (m.DetPrp,), m.DetPrpRsp, m.DetPrpCmp),
    Operation(Initiator.BASE_STATION, (m.UlData,), m.UlDataRsp, m.UlDataCmp),
    Operation(Initiator.SERVICE_CENTER, (m.UlDataTx,), m.UlDataTxRsp, m.UlDataTxCmp),
    Operation(Initiator.SERVICE_CENTER, (m.DlDataQue,), m.DlDataQueRsp, m.DlDataQueCmp),
    Operation(Initiator.SERVICE_CENTER, (m.DlDataRev,), m.DlDataRevRsp, m.DlDataRevCmp),
    Operation(Initiator.BASE_STATION, (m.DlDataRes,), m.DlDataResRsp, m.DlDataResCmp),
    Operation(Initiator.BASE_STATION, (m.DlRxStat,), m.DlRxStatRsp, m.DlRxStatCmp),
    Operation(Initiator.SERVICE_CENTER, (m.DlRxStatQry,), m.DlRxStatQryRsp, m.DlRxStatQryCmp),
    Operation(Initiator.SERVICE_CENTER, (vm.VmActivate,), vm.VmActivateRsp, vm.VmActivateCmp),
    Operation(Initiator.SERVICE_CENTER, (vm.VmDeactivate,), vm.VmDeactivateRsp, vm.VmDeactivateCmp),
    Operation(Initiator.SERVICE_CENTER, (vm.VmStatus,), vm.VmStatusRsp, vm.VmStatusCmp),
    Operation(Initiator.BASE_STATION, (vm.VmUlData,), vm.VmUlDataRsp, vm.VmUlDataCmp),
)
"""every operation of an open session: all but the connect operation, which opens it"""

OPERATION_OF: dict[type[Message], Operation] = {
    kind: operation
    for operation in (CONNECT, *OPERATIONS)
    for kind in (*operation.requests, operation.response, operation.completion)
}
CLASSES: tuple[type[Message], ...] = (*OPERATION_OF, m.Error, m.ErrorAck)
"""every message"""
MESSAGES: tuple[type[Message], ...] = tuple(kind for kind in CLASSES if kind is not m.AttPrp11)
"""every message of 1.0.0, one class for each command"""
STATION_REQUESTS: frozenset[type[Message]] = frozenset(
    kind
    for operation in OPERATIONS
    if operation.initiator is not Initiator.SERVICE_CENTER
    for kind in operation.requests
)
"""requests by which a base station may begin an operation"""
CENTER_REQUESTS: frozenset[type[Message]] = frozenset(
    kind
    for operation in OPERATIONS
    if operation.initiator is not Initiator.BASE_STATION
    for kind in operation.requests
)
"""requests by which the service center may begin an operation"""
