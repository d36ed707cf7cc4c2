"""A base station's session: which operations are open in both directions, across connections (§5.2, §5.3).

An operation that the station begins (opId 1, 2, 3 ... strictly rising)::

      request: Requested       answer() or refuse()           Cmp, errorAck: Completed
    --------------------> RECEIVED ------------> ANSWERED --------------------------------> over
        |                     |                     |                                        ^
        | ProtocolError       +---------------------+---- error: Cancelled, send errorAck ---+
        v
    reject(): send error; the operation never was

An operation that the service center begins (opId -1, -2, -3 ... strictly falling)::

       issue()         Rsp: Answered, send Cmp                    Rsp again:
    -----------> OPEN ------------------------------------> over ---+ Ignored
                 ^  |  error: Refused, send errorAck         ^ ^    |
                 +--+  unusable Rsp, reject(): send error    | +----+
      reissue(), after -------------------------------------+
              a resume

The session (connections, and ``con`` on them, are the caller's)::

           con: fresh()               connection lost
    (none) ------------> RUNNING ------------------------> KEPT, in memory or storage
                            ^                              |  ^
                            | first new opId               |  | connection lost
                            | of the station               v  |
                            +--------------------------- REISSUING
                                  con, decide_resume(): resumed(), then reissue()

    A con that may not resume replaces the session by a fresh one.

Of the station's operations those before the answer and those after it are kept in a table each. Unanswered
ones are bounded by an error (11). Of answered ones whose completion never comes the oldest is forgotten, so
that a station that never completes anything is served all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import TypeVar

import msgspec

from bssci.wire.codec import Codec, Encoding
from bssci.wire.errors import ErrorCode, ProtocolError, TooManyOperations
from bssci.wire.messages import Completion, Con, Error, ErrorAck, Message, Request, Response
from bssci.wire.operations import CENTER_REQUESTS, OPERATION_OF, STATION_REQUESTS
from bssci.wire.outcomes import Answered, Cancelled, Completed, Ignored, Outcome, Refused, Rejected, Requested
from bssci.wire.version import parse_version

DEFAULT_MAX_OPEN = 8192
"""operations, in each direction"""

AnyRequest = TypeVar("AnyRequest", bound=Request)

_STORAGE = Codec(Encoding.MESSAGEPACK)


def encode_operation(request: Request) -> bytes:
    """A request as it is stored until its operation is over."""
    return _STORAGE.encode_payload(request)


def decode_operation(stored: bytes) -> Request:
    """The request that ``encode_operation`` stored.

    :raises ValueError: if it is none.
    """
    request = _STORAGE.decode(stored)
    if not isinstance(request, Request):
        raise ValueError(f"{type(request).__name__} does not begin an operation")
    return request


class SessionState(Enum):
    """What opIds the station may use."""

    RUNNING = "running"
    """only new ones, above the last"""
    REISSUING = "reissuing"
    """after a resume, until its first new one: also those that it has used before"""


class Session:
    """The service center's side of a session; it outlives connections and, restored, the process.

    :ivar bs_eui: the station's EUI as an integer.
    :ivar sn_bs_uuid: 16 bytes, the station's name for the session.
    :ivar sn_sc_uuid: 16 bytes, ours.
    :ivar version: as negotiated.
    :ivar last_bs_op_id: the last opId of the station that was seen; 0 = none.
    :ivar last_sc_op_id: the last opId that we issued; 0 = none.
    :ivar open_requests: our operations without an answer, in the order of their issue.
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
    ) -> None:
        self.bs_eui = bs_eui
        self.sn_bs_uuid = sn_bs_uuid
        self.sn_sc_uuid = sn_sc_uuid
        self.version = version
        self.last_bs_op_id = last_bs_op_id
        self.last_sc_op_id = last_sc_op_id
        self.open_requests: dict[int, Request] = dict(open_requests or {})
        self.max_open = max_open
        self.state = SessionState.RUNNING
        self._received: dict[int, Request] = {}
        self._answered: dict[int, Request] = {}

    @classmethod
    def fresh(cls, con: Con, sn_sc_uuid: bytes, version: str) -> Session:
        """A new session for a ``con``; everything of an older one is void.

        :param sn_sc_uuid: 16 random bytes; never the station's own, which it would read as a resume.
        """
        return cls(bs_eui=con.bsEui, sn_bs_uuid=_uuid(con), sn_sc_uuid=sn_sc_uuid, version=version)

    # Operations that the service center begins

    def issue(self, request: AnyRequest) -> AnyRequest:
        """Begin an operation: the request with its opId set, to be sent. Whatever opId it had is replaced.

        :raises TooManyOperations: if ``max_open`` are open.
        :raises ValueError: if it is not ours to begin.
        """
        if type(request) not in CENTER_REQUESTS:
            raise ValueError(f"{_name(request)} is not begun by the service center")
        if len(self.open_requests) >= self.max_open:
            raise TooManyOperations(f"{self.max_open} operations are open")
        op_id = self.last_sc_op_id - 1
        issued = msgspec.structs.replace(request, opId=op_id)
        self.last_sc_op_id = op_id
        self.open_requests[op_id] = issued
        return issued

    def abandon(self, op_ids: Iterable[int]) -> None:
        """Forget operations that were issued but never sent; their opIds are not used again."""
        for op_id in op_ids:
            self.open_requests.pop(op_id, None)

    def resumed(self) -> None:
        """A new connection goes on with this session: to be called before anything of it is received.

        What the station had begun on the old connection it begins again.
        """
        self.state = SessionState.REISSUING
        self._received.clear()
        self._answered.clear()

    def reissue(self) -> list[Request]:
        """Our operations without an answer, with their opIds and in order: sent first after a resume."""
        return list(self.open_requests.values())

    # Operations that the station begins

    def answer(self, response: Message) -> bool:
        """An operation of the station is answered.

        :return: whether the station still waits for it; if not (cancelled, already refused, begun on an older
            connection), the response must not be sent.
        """
        return self._end_waiting(response.opId)

    def refuse(self, op_id: int, code: int, message: str) -> Error:
        """An operation of the station is refused: the error to send in place of the response."""
        self._end_waiting(op_id)
        return Error(opId=op_id, code=int(code), message=message)

    def reject(self, error: ProtocolError) -> Rejected | Refused:
        """A message could not be decoded, or ``receive`` or whoever handled it raised: what must be sent.

        An error ends the operation that it names, so it is over on this side too: Refused if it was ours. An
        error that names none goes out with opId 0, which no operation of a running session has.

        The opId of an unreadable request counts as seen only if it is the next one. Were none to count, the
        station could know an opId that we do not, and lose its session at the next resume; were any to count,
        one damaged opId could lock out all later ones.
        """
        op_id = error.op_id or 0
        answer = Error(opId=op_id, code=int(error.code), message=error.message)
        request = self.open_requests.pop(op_id, None)
        if request is not None:
            return Refused(request, answer, answer)
        if op_id == self.last_bs_op_id + 1:
            self._advance(op_id)
        self._end_waiting(op_id)
        return Rejected(answer)

    def _end_waiting(self, op_id: int) -> bool:
        request = self._received.pop(op_id, None)
        if request is None:
            return False
        answered = self._answered
        answered[op_id] = request
        if len(answered) > self.max_open:
            del answered[next(iter(answered))]
        return True

    def _advance(self, op_id: int) -> None:
        self.last_bs_op_id = op_id
        self.state = SessionState.RUNNING

    # Messages

    def receive(self, message: Message) -> Outcome:
        """What a message of the station means; its outcome's ``completion``, if any, must be sent.

        :raises ProtocolError: if it breaks the rules; give it to ``reject``. 71: an opId not above the last,
            a message that the station may not send or not now, a response that does not fit the request; 11:
            more than ``max_open`` operations without an answer.
        """
        match message:
            case Request():
                return self._request(message)
            case Completion():
                return self._completion(message)
            case Response():
                return self._response(message)
            case Error():
                return self._error(message)
            case _:
                return self._error_ack(message.opId)

    def _request(self, message: Request) -> Requested:
        op_id = message.opId
        again = op_id <= self.last_bs_op_id
        if not again:
            self._advance(op_id)
        elif self.state is SessionState.RUNNING or op_id <= 0 or op_id in self._received:
            raise _wrong_order(message, f"opId {op_id} is not above {self.last_bs_op_id}, the last one")
        if type(message) not in STATION_REQUESTS:
            raise _wrong_order(message, "a base station cannot begin it in a session")
        if len(self._received) >= self.max_open:
            raise ProtocolError(ErrorCode.EAGAIN, f"{self.max_open} operations are open, try again", op_id)
        self._received[op_id] = message
        return Requested(message, again)

    def _completion(self, message: Completion) -> Completed | Ignored:
        op_id = message.opId
        request = self._answered.get(op_id)
        if request is not None:
            if OPERATION_OF[type(request)] is not OPERATION_OF[type(message)]:
                raise _wrong_order(message, f"does not complete {_name(request)}")
            del self._answered[op_id]
            return Completed(op_id, request)
        if op_id in self._received or op_id in self.open_requests:
            raise _wrong_order(message, "completes an operation that was not answered")
        return Ignored(f"{_name(message)} {op_id} completes nothing that is open")

    def _response(self, message: Response) -> Answered | Ignored:
        op_id = message.opId
        request = self.open_requests.get(op_id)
        if request is None:
            if self.last_sc_op_id <= op_id < 0:
                return Ignored(f"{_name(message)} {op_id} answers an operation that is over")
            raise _wrong_order(message, "answers an operation that never was")
        operation = OPERATION_OF[type(request)]
        if operation is not OPERATION_OF[type(message)]:
            raise _wrong_order(message, f"does not answer {_name(request)}")
        del self.open_requests[op_id]
        return Answered(request, message, operation.completion(opId=op_id))

    def _error(self, message: Error) -> Refused | Cancelled | Ignored:
        op_id = message.opId
        acknowledgement = ErrorAck(opId=op_id)
        ours = self.open_requests.pop(op_id, None)
        if ours is not None:
            return Refused(ours, message, acknowledgement)
        request = self._received.pop(op_id, None) or self._answered.pop(op_id, None)
        if request is not None:
            return Cancelled(op_id, request, message.code, message.message, acknowledgement)
        return Ignored(f"error {message.code} for {op_id}, which is not open", acknowledgement)

    def _error_ack(self, op_id: int) -> Completed | Ignored:
        request = self._answered.pop(op_id, None)
        if request is not None:
            return Completed(op_id, request)
        return Ignored(f"errorAck {op_id} for which nobody waits")


def decide_resume(con: Con, known: Session | None, version: str) -> bool:
    """Whether the session of a ``con`` goes on: ``snResume`` (§5.3).

    Only if it is the same session, in a compatible version, and the station does not claim to know of an
    operation that we do not.

    :param known: the last session of this station, if there is one.
    :param version: as negotiated for the new connection.
    """
    return (
        known is not None
        and known.bs_eui == con.bsEui
        and known.sn_bs_uuid == _uuid(con)
        and parse_version(known.version)[:2] == parse_version(version)[:2]
        and (con.snBsOpId is None or con.snBsOpId <= known.last_bs_op_id)
        and (con.snScOpId is None or con.snScOpId >= known.last_sc_op_id)
    )


def _uuid(con: Con) -> bytes:
    return bytes(byte & 0xFF for byte in con.snBsUuid)


def _name(message: Message) -> str:
    return str(message.__struct_config__.tag)


def _wrong_order(message: Message, reason: str) -> ProtocolError:
    return ProtocolError(ErrorCode.EPROTO, f"{_name(message)}: {reason}", message.opId)
