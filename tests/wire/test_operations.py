"""bssci.wire.operations: three messages an operation, and who begins it."""

from __future__ import annotations

from bssci.wire.messages import (
    AttPrp,
    AttPrp11,
    Completion,
    Error,
    ErrorAck,
    Message,
    Ping,
    Request,
    Response,
    Status,
    UlData,
)
from bssci.wire.operations import (
    CENTER_REQUESTS,
    CLASSES,
    CONNECT,
    OPERATION_OF,
    OPERATIONS,
    STATION_REQUESTS,
)


def names(kinds: frozenset[type[Message]]) -> set[str]:
    return {str(kind.__struct_config__.tag) for kind in kinds}


def test_every_message_but_the_errors_belongs_to_one_operation() -> None:
    stages = [each for stage in (Request, Response, Completion) for each in stage.__subclasses__()]
    assert set(OPERATION_OF) == set(stages) == set(CLASSES) - {Error, ErrorAck}
    assert len(CLASSES) == len(stages) + 2


def test_the_names_of_an_operations_messages_agree() -> None:
    for operation in (CONNECT, *OPERATIONS):
        for request in operation.requests:
            name = str(request.__struct_config__.tag)
            assert operation.response.__struct_config__.tag == name + "Rsp"
            assert operation.completion.__struct_config__.tag == name + "Cmp"


def test_who_begins_what() -> None:
    assert names(STATION_REQUESTS) == {
        *("ping", "att", "det", "ulData", "dlDataRes", "dlRxStat", "vm.ulData"),
    }
    assert names(CENTER_REQUESTS) == {
        *("ping", "status", "attPrp", "detPrp"),
        *("ulDataTx", "dlDataQue", "dlDataRev", "dlRxStatQry"),
        *("vm.activate", "vm.deactivate", "vm.status"),
    }


def test_both_dialects_are_one_operation() -> None:
    assert OPERATION_OF[AttPrp] is OPERATION_OF[AttPrp11]
    assert OPERATION_OF[UlData] is not OPERATION_OF[Status]
    assert {Ping} == STATION_REQUESTS & CENTER_REQUESTS
