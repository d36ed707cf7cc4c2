"""A base station's session: the open operations in both directions, across connections (§5.2, §5.3).

An operation that the station begins (opId 1, 2, 3 ... strictly increasing)::

      request: Requested       answer() or refuse()           Cmp, errorAck: Completed
    --------------------> RECEIVED ------------> ANSWERED --------------------------------> over
        |                     |                     |                                        ^
        | ProtocolError       +---------------------+---- error: Cancelled, send errorAck ---+
        v
    reject(): send error; no operation was opened

An operation that the service center begins (opId -1, -2, -3 ... strictly decreasing)::

       issue()         Rsp: Answered, send Cmp                    Rsp again:
    -----------> OPEN ------------------------------------> over ---+ Ignored
                 ^  |  error: Refused, send errorAck         ^ ^    |
                 +--+  unusable Rsp, reject(): send error    | +----+
      reissue(), after -------------------------------------+
              a resume

The session (the caller manages connections, and handles ``con`` on them)::

           con: fresh()               connection lost
    (none) ------------> RUNNING ------------------------> KEPT, in memory or storage
                            ^                              |  ^
                            | first new opId               |  | connection lost
                            | of the station               v  |
                            +--------------------------- REISSUING
                                  con, decide_resume(): resumed(), then reissue()

    A con that may not resume replaces the session by a fresh one.

The station's operations are kept in two tables, one for those without an answer and one for those that were
answered: their opId and kind, never their content. The unanswered ones are bounded, in number and in the
bytes that their messages occupy elsewhere until they are answered; beyond the bound a request gets error 11.
Of the answered ones that wait for a completion, the oldest is dropped at the bound, so that a station that
never completes anything is served all the same.

An answer takes time, and meanwhile the connection may have been replaced. The station has then begun the same
operation again, with the same opId, and waits for the answer to the repeated request. Each connection is
therefore a *generation*, and an answer of an earlier generation is declined::

    connection 1   ulData 7 -> (stored slowly ...)              answer(generation 1): declined
    connection 2               con, resumed(); ulData 7 again -> stored -> answer(generation 2): sent
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from bssci.wire.codec import Codec, Encoding
from bssci.wire.errors import ErrorCode, ProtocolError, TooManyOperations
from bssci.wire.messages import (
    Completion,
    Con,
    DlDataQue,
    Error,
    ErrorAck,
    Message,
    Request,
    Response,
    command_of,
)
from bssci.wire.operations import CENTER_REQUESTS, CLASSES, OPERATION_OF, STATION_REQUESTS
from bssci.wire.outcomes import (
    Answered,
    Cancelled,
    Completed,
    Ignored,
    Refused,
    Rejected,
    Requested,
    WireOutcome,
)
from bssci.wire.version import parse_version

DEFAULT_MAX_OPEN = 8192
"""operations, in each direction"""
DEFAULT_MAX_BYTES = 32 * 1024 * 1024
"""approximate bytes of memory that the requests without an answer may occupy, in each direction"""

_REQUEST_SIZE = 3072
"""bytes of a request in memory, without subpackets and without the data of a downlink"""
_SUBPACKET_SIZE = 128
"""bytes of a subpacket in memory: four floating-point numbers, each in a list"""

AnyRequest = TypeVar("AnyRequest", bound=Request)

_STORAGE = Codec(Encoding.MESSAGEPACK)


def encode_operation(request: Request) -> bytes:
    """Return a request in the form in which it is stored until its operation is over."""
    return _STORAGE.encode_payload(request)


def decode_operation(stored: bytes, op_id: int) -> Request:
    """Return the request that ``encode_operation`` stored.

    :raises ValueError: it is no request of this ``op_id``, or is damaged.
    """
    try:
        request = _STORAGE.decode(stored)
    except ProtocolError as error:
        raise ValueError(f"not a stored operation: {error}") from error
    if not isinstance(request, Request):
        raise ValueError(f"{type(request).__name__} does not begin an operation")
    if request.opId != op_id:
        raise ValueError(f"it has the opId {request.opId}")
    return request


class _Begun(Struct, frozen=True, gc=False):
    """The remembered part of an operation that the station began."""

    kind: type[Request]
    epEui: int | None
    size: int
    """bytes of its request in memory"""


def _size(request: Request) -> int:
    """Return approximately how many bytes of memory a request occupies."""
    if type(request) is DlDataQue:
        return _REQUEST_SIZE + sum(64 + 8 * len(entry) for entry in request.userData)
    subpackets = getattr(request, "subpackets", None)
    return _REQUEST_SIZE if subpackets is None else _REQUEST_SIZE + _SUBPACKET_SIZE * len(subpackets.snr)


class SessionState(Enum):
    """State of a session, which determines the opIds that the station may use."""

    RUNNING = "running"
    """only new opIds, above the last one"""
    REISSUING = "reissuing"
    """after a resume, until the station's first new opId: also opIds that it has used before"""


# In Python 3.11 accessing a member of an enum takes as long as the rest of the work for a message.
_RUNNING = SessionState.RUNNING
_REISSUING = SessionState.REISSUING


class Session:
    """The service center's side of a session; it outlives connections and, restored, the process.

    :ivar bs_eui: the station's EUI as an integer.
    :ivar sn_bs_uuid: the station's UUID of the session, 16 bytes.
    :ivar sn_sc_uuid: our UUID of the session, 16 bytes.
    :ivar version: the negotiated version.
    :ivar last_bs_op_id: the last opId of the station that was seen; 0: none.
    :ivar last_sc_op_id: the last opId that we issued; 0: none.
    :ivar open_requests: our operations without an answer, in the order of their issue; read-only for callers.
    :ivar max_open: operations that may be open at a time, in each direction.
    :ivar max_bytes: approximate bytes that their requests may occupy, in each direction.
    :ivar generation: number of times that the session was resumed; ``answer`` and ``refuse`` take the
        generation in which the request was received.
    """

    def __init__(
        self,
        *,
        bs_eui: int,
        sn_bs_uuid: bytes,
        sn_sc_uuid: bytes,
        version: str,
        last_bs_op_id: int = 0,
        last_sc_op_id: int = 0,
        open_requests: Mapping[int, Request] | None = None,
        max_open: int = DEFAULT_MAX_OPEN,
        max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> None:
        self.bs_eui = bs_eui
        self.sn_bs_uuid = sn_bs_uuid
        self.sn_sc_uuid = sn_sc_uuid
        self.version = version
        self.last_bs_op_id = last_bs_op_id
        self.last_sc_op_id = last_sc_op_id
        self.open_requests: dict[int, Request] = dict(open_requests or {})
        self.max_open = max_open
        self.max_bytes = max_bytes
        self.state = _RUNNING
        self.generation = 0
        self._open_bytes = sum(map(_size, self.open_requests.values()))
        self._received: dict[int, _Begun] = {}
        self._received_bytes = 0
        self._answered: dict[int, _Begun] = {}

    @classmethod
    def fresh(cls, con: Con, sn_sc_uuid: bytes, version: str) -> Session:
        """Return a new session for a ``con``; any older session of the station is void.

        :param sn_sc_uuid: 16 random bytes that differ from the station's UUID, which it would take for a
            resume.
        :param version: the negotiated version.
        """
        return cls(bs_eui=con.bsEui, sn_bs_uuid=_uuid(con), sn_sc_uuid=sn_sc_uuid, version=version)

    def is_named_by(self, con: Con) -> bool:
        """Return whether a ``con`` names this session of its station, which may be resumed or not."""
        return self.sn_bs_uuid == _uuid(con)

    # Operations that the service center begins

    def issue(self, request: AnyRequest) -> AnyRequest:
        """Begin an operation; return the request with its new opId, to be sent. Its own opId is ignored.

        :raises TooManyOperations: ``max_open`` operations are open, or their requests occupy ``max_bytes``.
        :raises ValueError: the service center must not begin such an operation.
        """
        if type(request) not in CENTER_REQUESTS:
            raise ValueError(f"the service center must not begin {_name(request)}")
        if len(self.open_requests) >= self.max_open:
            raise TooManyOperations(f"{self.max_open} operations are open")
        size = _size(request)
        if self._open_bytes + size > self.max_bytes:
            raise TooManyOperations(f"the open operations occupy {self._open_bytes} bytes")
        op_id = self.last_sc_op_id - 1
        issued = msgspec.structs.replace(request, opId=op_id)
        self.last_sc_op_id = op_id
        self.open_requests[op_id] = issued
        self._open_bytes += size
        return issued

    def abandon(self, op_ids: Iterable[int]) -> None:
        """Forget operations that were issued but never sent; their opIds are not reused."""
        for op_id in op_ids:
            self._close(op_id)

    def _close(self, op_id: int) -> Request | None:
        """End an operation of ours, if it is open."""
        request = self.open_requests.pop(op_id, None)
        if request is not None:
            self._open_bytes -= _size(request)
        return request

    def resumed(self) -> None:
        """Continue this session on a new connection; to be called before any message is received there.

        The station repeats the operations that it had begun on the old connection. Answers to requests of the
        old connection are declined from now on.
        """
        self.state = _REISSUING
        self.generation += 1
        self._received.clear()
        self._received_bytes = 0
        self._answered.clear()

    def reissue(self) -> list[Request]:
        """Return our requests without an answer, in order and with their opIds, to be sent after a resume."""
        return list(self.open_requests.values())

    # Operations that the station begins

    def answer(self, response: Message, generation: int) -> bool:
        """End an operation of the station with a response.

        :param generation: ``generation`` when the request was received.
        :return: whether the response is to be sent; it must not be if the operation was cancelled, refused
            already, or begun on an older connection.
        """
        return generation == self.generation and self._end_waiting(response.opId)

    def refuse(self, op_id: int, code: int, message: str, generation: int) -> Error | None:
        """End an operation of the station with an error.

        :param code: POSIX errno.
        :param generation: ``generation`` when the request was received.
        :return: the error to send in place of the response; None if the station no longer waits for one.
        """
        if generation == self.generation and self._end_waiting(op_id):
            return Error(opId=op_id, code=int(code), message=message)
        return None

    def reject(self, error: ProtocolError) -> Rejected | Refused:
        """Return the answer to a message that could not be decoded, or that ``receive`` or a caller refused.

        Sending an error ends the operation that it names, so the operation is over on this side too: Refused
        if it was ours. An error that names no operation has opId 0, which no operation of a running session
        has.

        The opId of an unreadable request counts as seen only if it is the next one. If it never counted, the
        station would know an opId that we do not, and lose its session at the next resume. If it always
        counted, one damaged opId could lock out all opIds below it.
        """
        op_id = error.op_id or 0
        answer = Error(opId=op_id, code=int(error.code), message=error.message)
        request = self._close(op_id)
        if request is not None:
            return Refused(request, answer, answer)
        if op_id == self.last_bs_op_id + 1:
            self.last_bs_op_id = op_id
            self.state = _RUNNING
        begun = self._received.get(op_id)
        self._end_waiting(op_id)
        return Rejected(answer, error.command or (None if begun is None else command_of(begun.kind)))

    def _end_waiting(self, op_id: int) -> bool:
        begun = self._received.pop(op_id, None)
        if begun is None:
            return False
        self._received_bytes -= begun.size
        answered = self._answered
        answered[op_id] = begun
        if len(answered) > self.max_open:
            del answered[next(iter(answered))]
        return True

    # Messages

    def receive(self, message: Message) -> WireOutcome:
        """Return the outcome of a station's message; its ``completion``, if it has one, must be sent.

        :raises ProtocolError: the message breaks the rules; pass the error to ``reject``. 71: an opId that is
            not above the last, a message that the station may not send, or not now, or a response that does
            not fit the request; 11: more than ``max_open`` operations, or ``max_bytes`` of requests, without
            an answer.
        """
        return _MEANING[type(message)](self, message)

    def _request(self, message: Request) -> Requested:
        op_id = message.opId
        again = op_id <= self.last_bs_op_id
        if not again:
            self.last_bs_op_id = op_id
            self.state = _RUNNING
        elif self.state is _RUNNING or op_id <= 0 or op_id in self._received:
            raise _wrong_order(message, f"opId {op_id} is not above {self.last_bs_op_id}, the last one")
        if type(message) not in STATION_REQUESTS:
            raise _wrong_order(message, "a base station cannot begin it in a session")
        if len(self._received) >= self.max_open:
            raise _busy(message, f"{self.max_open} operations are open")
        size = _size(message)
        if self._received_bytes + size > self.max_bytes:
            raise _busy(message, f"the open operations occupy {self._received_bytes} bytes")
        self._received_bytes += size
        self._received[op_id] = _Begun(type(message), getattr(message, "epEui", None), size)
        return Requested(message, again)

    def _completion(self, message: Completion) -> Completed | Ignored:
        op_id = message.opId
        begun = self._answered.get(op_id)
        if begun is not None:
            if OPERATION_OF[begun.kind] is not OPERATION_OF[type(message)]:
                raise _wrong_order(message, f"does not complete {command_of(begun.kind)}")
            del self._answered[op_id]
            return Completed(op_id, begun.kind, begun.epEui)
        if op_id in self._received or op_id in self.open_requests:
            raise _wrong_order(message, "completes an operation that was not answered")
        return Ignored(f"{_name(message)} {op_id} completes no open operation")

    def _response(self, message: Response) -> Answered | Ignored:
        op_id = message.opId
        request = self.open_requests.get(op_id)
        if request is None:
            if self.last_sc_op_id <= op_id < 0:
                return Ignored(f"{_name(message)} {op_id} answers an operation that is over")
            raise _wrong_order(message, "answers an operation that was not begun")
        operation = OPERATION_OF[type(request)]
        if operation is not OPERATION_OF[type(message)]:
            raise _wrong_order(message, f"does not answer {_name(request)}")
        self._close(op_id)
        return Answered(request, message, operation.completion(opId=op_id))

    def _error(self, message: Error) -> Refused | Cancelled | Ignored:
        op_id = message.opId
        acknowledgement = ErrorAck(opId=op_id)
        ours = self._close(op_id)
        if ours is not None:
            return Refused(ours, message, acknowledgement)
        begun = self._received.pop(op_id, None)
        if begun is not None:
            self._received_bytes -= begun.size
        else:
            begun = self._answered.pop(op_id, None)
        if begun is not None:
            return Cancelled(op_id, begun.kind, begun.epEui, message.code, message.message, acknowledgement)
        return Ignored(f"error {message.code} for {op_id}, which is not open", acknowledgement)

    def _error_ack(self, message: ErrorAck) -> Completed | Ignored:
        op_id = message.opId
        begun = self._answered.pop(op_id, None)
        if begun is not None:
            return Completed(op_id, begun.kind, begun.epEui)
        return Ignored(f"errorAck {op_id} acknowledges no open error")


def _meaning(kind: type[Message]) -> Callable[[Session, Any], WireOutcome]:
    if issubclass(kind, Request):
        return Session._request
    if issubclass(kind, Completion):
        return Session._completion
    if issubclass(kind, Response):
        return Session._response
    return Session._error if kind is Error else Session._error_ack


_MEANING = {kind: _meaning(kind) for kind in CLASSES}
"""Handler of each class of message. A lookup is several times faster than ``isinstance``."""


def decide_resume(con: Con, known: Session | None, version: str) -> bool:
    """Return whether a ``con`` resumes the station's session: ``snResume`` (§5.3).

    It does if it names the same session, in the same major and minor version, and the station does not claim
    to know of an operation that we do not know.

    :param known: the last session of this station; None if there is none.
    :param version: the version negotiated for the new connection.
    """
    return (
        known is not None
        and known.bs_eui == con.bsEui
        and known.is_named_by(con)
        and parse_version(known.version)[:2] == parse_version(version)[:2]
        and (con.snBsOpId is None or con.snBsOpId <= known.last_bs_op_id)
        and (con.snScOpId is None or con.snScOpId >= known.last_sc_op_id)
    )


def _uuid(con: Con) -> bytes:
    return bytes(byte & 0xFF for byte in con.snBsUuid)


def _name(message: Message) -> str:
    return command_of(type(message))


def _wrong_order(message: Message, reason: str) -> ProtocolError:
    name = _name(message)
    return ProtocolError(ErrorCode.EPROTO, f"{name}: {reason}", message.opId, name)


def _busy(message: Message, reason: str) -> ProtocolError:
    return ProtocolError(ErrorCode.EAGAIN, f"{reason}, try again", message.opId, _name(message))
