"""bssci.wire.messages: what the catalogue promises."""

from __future__ import annotations

import re

import msgspec
import pytest

from bssci.wire import messages
from bssci.wire.messages import AttPrp11, Error, ErrorAck, Message
from bssci.wire.operations import CLASSES, MESSAGES
from tests.support.cases import case

OPERATIONS = (
    *("con", "ping", "status", "att", "det", "attPrp", "detPrp", "ulData", "ulDataTx"),
    *("dlDataQue", "dlDataRev", "dlDataRes", "dlRxStat", "dlRxStatQry"),
    *("vm.activate", "vm.deactivate", "vm.status", "vm.ulData"),
)

# protocol.md names these mandatory: without one of them the message is refused.
MANDATORY = {
    "con": "version bsEui bidi snBsUuid",
    "conRsp": "scEui snResume snScUuid",
    "att": "epEui rxTime attachCnt snr rssi nonce sign dualChan repetition wideCarrOff longBlkDist",
    "attRsp": "nwkSnKey",
    "det": "epEui rxTime packetCnt snr rssi sign",
    "detRsp": "sign",
    "attPrp": "epEui bidi nwkSnKey shAddr lastPacketCnt dualChan repetition wideCarrOff longBlkDist",
    "detPrp": "epEui",
    "ulData": "epEui rxTime packetCnt snr rssi userData dlOpen responseExp dlAck",
    "ulDataTx": "epEui nwkSnKey shAddr packetCnt userData",
    "dlDataQue": "epEui queId cntDepend userData",
    "dlDataRev": "epEui queId",
    "dlDataRes": "epEui queId result",
    "dlRxStat": "epEui rxTime packetCnt dlRxSnr dlRxRssi",
    "dlRxStatQry": "epEui",
    "vm.activate": "macType",
    "vm.deactivate": "macType",
    "vm.statusRsp": "macTypes",
    "vm.ulData": "macType userData trxTime sysTime freqOff snr rssi carrSpace pattGrp pattNum crc",
    "error": "code message",
}


def command(kind: type[Message]) -> str:
    return str(kind.__struct_config__.tag)


def test_every_operation_has_its_three_messages() -> None:
    expected = {name + stage for name in OPERATIONS for stage in ("", "Rsp", "Cmp")} | {"error", "errorAck"}
    assert {command(kind) for kind in MESSAGES} == expected
    assert len(MESSAGES) == len(expected)


def test_the_dialect_has_the_same_command() -> None:
    assert command(AttPrp11) == "attPrp"
    assert set(CLASSES) - set(MESSAGES) == {AttPrp11}


def test_the_mandatory_fields_are_those_of_the_specification() -> None:
    for kind in MESSAGES:
        with case(kind):
            required = {field.name for field in msgspec.structs.fields(kind) if field.required}
            assert required == {"opId", *MANDATORY.get(command(kind), "").split()}


def test_the_dialect_has_epclass_and_syncburst_in_place_of_bidi() -> None:
    fields = {field.name for field in msgspec.structs.fields(AttPrp11)}
    assert fields == {"opId", *MANDATORY["attPrp"].split(), "epClass", "syncBurst"} - {"bidi"}


def test_the_catalogue_names_every_message() -> None:
    listed = set(re.findall(r"\b[a-z][A-Za-z.]+\b", (messages.__doc__ or "").split("::")[1]))
    assert {command(kind) for kind in MESSAGES} <= listed


def test_messages_are_immutable() -> None:
    with pytest.raises(AttributeError):
        ErrorAck(opId=1).opId = 2  # type: ignore[misc]
    assert Error(opId=1, code=5, message="x") == Error(opId=1, code=5, message="x")
