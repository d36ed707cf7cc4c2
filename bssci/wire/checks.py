"""Checks of a message beyond the types of its fields, in one place.

Each rule returns the message, with texts and maps cut to their bounds, or raises ProtocolError: 22 (EINVAL)
for values that contradict each other, 71 (EPROTO) for a field that is required because of another one. A
message that passed its rule is valid.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import msgspec
from msgspec import inspect

from bssci.wire.errors import ErrorCode, ProtocolError
from bssci.wire.fields import Subpackets
from bssci.wire.information import cut_text, plain_map
from bssci.wire.messages import (
    Att,
    Con,
    ConRsp,
    Det,
    DlDataQue,
    DlDataRes,
    Error,
    Message,
    StatusRsp,
    UlData,
    command_of,
)
from bssci.wire.operations import CLASSES
from bssci.wire.variable_mac import VmUlData

WIDE = 64
"""bits of the widest integers, which exceed the bounds that msgspec can express"""
Check = Callable[[Any], Message]
Introduced = TypeVar("Introduced", Con, ConRsp)
Heard = TypeVar("Heard", Att, Det, VmUlData)


def _refuse(message: Message, code: ErrorCode, text: str) -> NoReturn:
    command = command_of(type(message))
    raise ProtocolError(code, f"{command}: {text}", message.opId, command)


def _check_subpackets(message: Message, subpackets: Subpackets) -> None:
    count = len(subpackets.snr)
    if (
        len(subpackets.rssi) != count
        or len(subpackets.frequency) != count
        or (subpackets.phase is not None and len(subpackets.phase) != count)
    ):
        _refuse(message, ErrorCode.EINVAL, "the arrays of subpackets must have the same length")


def _uplink(message: UlData) -> UlData:
    if message.subpackets is not None:
        _check_subpackets(message, message.subpackets)
    if message.responseExp and not message.dlOpen:
        _refuse(message, ErrorCode.EINVAL, "responseExp requires dlOpen")
    return message


def _heard(message: Heard) -> Heard:
    if message.subpackets is not None:
        _check_subpackets(message, message.subpackets)
    return message


def _connect(message: Con) -> Con:
    return _introduced(msgspec.structs.replace(message, geoLocation=_known(message.geoLocation)))


def _introduced(message: Introduced) -> Introduced:
    return msgspec.structs.replace(
        message,
        vendor=cut_text(message.vendor),
        model=cut_text(message.model),
        name=cut_text(message.name),
        swVersion=cut_text(message.swVersion),
        info=_plain(message, "info", message.info),
    )


def _status(message: StatusRsp) -> StatusRsp:
    return msgspec.structs.replace(
        message,
        message=cut_text(message.message),
        geoLocation=_known(message.geoLocation),
        config=_plain(message, "config", message.config),
    )


def _error(message: Error) -> Error:
    return msgspec.structs.replace(message, message=cut_text(message.message))


def _known(location: list[float] | None) -> list[float] | None:
    """Return the location, but None for [0, 0, 0], which stations send that do not know their position."""
    return location if location is not None and any(location) else None


def _plain(message: Message, field: str, sent: dict[str, object] | None) -> dict[str, object] | None:
    try:
        return None if sent is None else plain_map(sent)
    except ValueError as error:
        _refuse(message, ErrorCode.EINVAL, f"{field}: {error}")


def _downlink(message: DlDataQue) -> DlDataQue:
    entries = len(message.userData)
    if not message.cntDepend:
        if message.packetCnt is not None:
            _refuse(message, ErrorCode.EINVAL, "packetCnt is allowed only with cntDepend")
        if entries > 1:
            _refuse(message, ErrorCode.EINVAL, f"{entries} userData, 1 is allowed without cntDepend")
    elif message.packetCnt is None:
        _refuse(message, ErrorCode.EPROTO, "packetCnt is missing, cntDepend requires it")
    elif len(message.packetCnt) != entries:
        _refuse(message, ErrorCode.EINVAL, "packetCnt and userData must have the same length")
    return message


def _result(message: DlDataRes) -> DlDataRes:
    if message.result == "sent":
        for field in ("txTime", "packetCnt"):
            if getattr(message, field) is None:
                _refuse(message, ErrorCode.EPROTO, f"{field} is missing, result sent requires it")
    return message


RULES: dict[type[Message], Check] = {
    UlData: _uplink,
    Att: _heard,
    Det: _heard,
    VmUlData: _heard,
    Con: _connect,
    ConRsp: _introduced,
    StatusRsp: _status,
    Error: _error,
    DlDataQue: _downlink,
    DlDataRes: _result,
}


def _is_wide(declared: inspect.Type) -> bool:
    match declared:
        case inspect.Metadata(type=inner, extra=extra):
            return bool(extra and extra.get("bits") == WIDE) or _is_wide(inner)
        case inspect.UnionType(types=types):
            return any(map(_is_wide, types))
        case _:
            return False


def _within_64_bits(kind: type[Message]) -> Check:
    """Return the rule of ``kind`` for decoders that do not bound the size of integers."""
    declared = inspect.type_info(kind)
    assert isinstance(declared, inspect.StructType)
    wide = [field.name for field in declared.fields if _is_wide(field.type)]
    rule = RULES.get(kind)

    def check(message: Message) -> Message:
        for name in wide:
            if (getattr(message, name) or 0) >= 1 << WIDE:
                _refuse(message, ErrorCode.EINVAL, f"{name} has more than {WIDE} bits")
        return message if rule is None else rule(message)

    return check


WIDE_RULES: dict[type[Message], Check] = {kind: _within_64_bits(kind) for kind in CLASSES}
"""Rules for messages from JSON or from a repair: those of ``RULES``, and no integer of more than 64 bits."""
