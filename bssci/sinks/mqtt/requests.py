"""Requests that come by MQTT: topics to commands of the service center, outcomes to answers.

    ep/{EUI}/config, /register   a sensor's configuration            -> configure
    ep/{EUI}/cmd                 attach, detach, status, reception   -> attach, detach, sensor_report, ...
    ep/{EUI}/dl                  a downlink, or {"revoke": id}       -> queue_downlink, revoke_downlink
    config/get, config/set       settings that may change            -> change_settings

Every request for a sensor is answered on ``ep/{EUI}/response``: ``received``, then ``done`` or
``failed``. The answers are events: they are
stored, so a broker that is away gets them later. Requests for one sensor are done in the order
in which they come. What they change is in the audit log, made by the sink.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from twisted.internet.defer import ensureDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.center.access import Access
from bssci.center.downlinks.request_json import NOT_YET_REVOKED, downlink_request
from bssci.center.turns import Turns
from bssci.model import EUI, AnyEvent, CommandFailure, CommandResponse, Downlink, parse_eui
from bssci.model.commands import CommandError, Outcome, Outcomes, shortfall
from bssci.sinks.mqtt.request_payloads import (
    LABEL,
    MAX_SIZE,
    Asked,
    failure_of,
    read_command,
    read_object,
    read_reference,
    read_sensor,
    size_error,
)

MAX_RUNNING = 10_000
"""requests under way; one more is refused"""
MAX_RETAINED = 10_000
"""topics of retained requests that are remembered; what is retained elsewhere is passed over"""
REPEATED = 300.0
"""s within which a downlink with the same ``ref`` and content is the same"""
INTERRUPTED = 1000
"""answers of the last run that are looked at for requests without an end"""
COMMANDS = ("attach", "detach", "status", "reception")
_NAMES = {"dl": "downlink", "config": "config", "register": "config", "cmd": "cmd"}


class Requests:
    """Carries requests to the service center and answers to the journal.

    :param answer_settings: publishes the answer to ``config/get`` and ``config/set``.
    """

    log = Logger()

    def __init__(
        self, center: Access, base_topic: str, answer_settings: Callable[[dict[str, Any]], None]
    ) -> None:
        self._center = center
        self._base_topic = base_topic
        self._answer_settings = answer_settings
        self._turns = Turns()
        self._running = 0
        self._retained: set[str] = set()
        self._first_seq: int = center.journal.events.last_seq + 1

    def start(self) -> None:
        """Answer the requests whose end an earlier run did not live to see."""
        ensureDeferred(self._answer_interrupted()).addErrback(self._failed)

    def topics(self) -> list[str]:
        """What to subscribe to; with and without a last ``/``, and the older upper-case ``EP``."""
        base = self._base_topic
        kinds = [f"{base}/ep/+/{kind}" for kind in _NAMES]
        kinds += [f"{base}/EP/+/cmd", "EP/+/cmd", f"{base}/config/get", f"{base}/config/set"]
        return kinds + [f"{topic}/" for topic in kinds]

    def received(self, topic: str, payload: bytes, retained: bool) -> None:
        """Take one request. Never raises for what it holds."""
        self._receive(topic, payload, len(payload), retained)

    def too_large(self, topic: str, size: int, retained: bool) -> None:
        """Refuse a request that was not taken in; of ``size`` bytes."""
        self._receive(topic, b"", size, retained)

    def _receive(self, topic: str, payload: bytes, size: int, retained: bool) -> None:
        if retained and not self._is_new(topic):
            return
        *_, before, last = ["", *topic.removesuffix("/").split("/")]
        if before == "config":
            ensureDeferred(self._settings(last, payload, size, retained)).addErrback(self._failed)
            return
        try:
            eui = parse_eui(before)
        except ValueError as error:
            self.log.warn("request for no sensor {topic} {error}", topic=topic[:200], error=str(error)[:200])
            return
        ensureDeferred(self._sensor(eui, last, payload, size, retained)).addErrback(self._failed)

    def _is_new(self, topic: str) -> bool:
        """A retained request comes with every subscription: it is answered once."""
        if topic in self._retained or len(self._retained) >= MAX_RETAINED:
            return False
        self._retained.add(topic)
        return True

    def _check_acceptable(self, size: int, retained: bool) -> None:
        if retained:
            raise CommandError("retained", "is not carried out: publish requests without retain", "retain")
        if size > MAX_SIZE:
            raise size_error(size)
        if self._running >= MAX_RUNNING:
            raise CommandError("busy", f"{MAX_RUNNING} requests are under way, try again later")

    # a sensor's requests

    async def _sensor(self, eui: EUI, kind: str, payload: bytes, size: int, retained: bool) -> None:
        asked = Asked(_NAMES[kind])
        try:
            if retained and size <= MAX_SIZE:
                asked = asked._replace(ref=read_reference(payload))
            self._check_acceptable(size, retained)
            asked = read_command(payload) if kind == "cmd" else read_object(_NAMES[kind], payload)
        except CommandError as error:
            self._answer(eui, asked, "received")
            self._answer(eui, asked, "failed", error)
            return
        self._answer(eui, asked, "received")
        self._running += 1
        try:
            result = await self._turns.run([eui], lambda: self._carry_out(eui, kind, asked))
        except CommandError as error:
            self._answer(eui, asked, "failed", error)
        except Exception:
            self.log.failure("request failed {ep_eui} {command}", ep_eui=eui, command=asked.command)
            self._answer(eui, asked, "failed", CommandError("internal", "internal error, see the log"))
        else:
            self._answer(eui, asked, "done", result=result)
        finally:
            self._running -= 1

    async def _carry_out(self, eui: EUI, kind: str, asked: Asked) -> dict[str, Any]:
        if kind == "cmd":
            return await self._command(eui, asked.command)
        if kind != "dl":
            return await self._configure(eui, asked)
        if "revoke" in asked.body:
            return await self._revoke(eui, asked.body)
        return await self._queue(eui, asked)

    async def _configure(self, eui: EUI, asked: Asked) -> dict[str, Any]:
        return _result(eui, await self._center.configure(read_sensor(eui, asked.body)))

    async def _command(self, eui: EUI, command: str) -> dict[str, Any]:
        center = self._center
        if command in ("attach", "detach"):
            outcomes = await (center.attach([eui]) if command == "attach" else center.detach([eui]))
            return _result(eui, outcomes)
        if command == "status":
            return await center.sensor_report(eui)
        if command == "reception":
            return {"base_station_eui": await center.query_reception(eui)}
        raise CommandError(
            "unknown_command", f"{command!r} is no command; there are {', '.join(COMMANDS)}", "command"
        )

    async def _queue(self, eui: EUI, asked: Asked) -> dict[str, Any]:
        wanted = downlink_request(eui, asked.body)
        if asked.ref is not None:
            # A broker may deliver a request twice, and a careful client sends it again.
            for earlier in await self._center.downlinks_of(eui):
                if earlier.request == wanted and self._center.now() - earlier.created_at < REPEATED:
                    return _downlink(earlier) | {"repeated": True}
        return _downlink(await self._center.queue_downlink(wanted))

    async def _revoke(self, eui: EUI, request: Mapping[str, Any]) -> dict[str, Any]:
        queue_id = request["revoke"]
        if type(queue_id) is not int or queue_id < 0:
            raise CommandError("invalid", "revoke must be a queId, a whole number", "revoke")
        for field in request.keys() - {"revoke", "ref"}:
            name = field[:LABEL]
            raise CommandError("invalid", f"{name} must not be there: revoke goes with ref only", name)
        try:
            downlink = await self._center.revoke_downlink(eui, queue_id)
        except CommandError as error:
            named = "revoke" if error.field == "queue_id" else error.field
            raise CommandError(error.code, error.message, named, error.result) from error
        answer = _downlink(downlink)
        return answer | {"message": NOT_YET_REVOKED} if downlink.state == "queued" else answer

    # answers

    def _answer(
        self,
        eui: EUI,
        asked: Asked,
        status: Literal["received", "done", "failed"],
        error: CommandError | None = None,
        result: dict[str, Any] | None = None,
    ) -> None:
        if error is not None:
            self.log.info(
                "request refused {ep_eui} {command} {code} {error}",
                ep_eui=eui,
                command=asked.command,
                code=error.code,
                error=error.message,
            )
        self._center.report(
            CommandResponse(
                at=self._center.now(),
                end_point_eui=eui,
                command=asked.command,
                status=status,
                ref=asked.ref,
                error=CommandFailure(error.code, error.message, error.field) if error else None,
                result=(error.result if error else result) or {},
            )
        )

    async def _answer_interrupted(self) -> None:
        found, _ = await self._center.journal.history.look_back(
            before=self._first_seq, limit=INTERRUPTED, kinds=("command-response",)
        )
        error = CommandError("interrupted", "the service restarted meanwhile: ask for the status")
        for answer in _without_end(event for _, event in reversed(found)):
            self._answer(answer.end_point_eui, Asked(answer.command, answer.ref), "failed", error)

    def _failed(self, failure: Failure) -> None:
        self.log.failure("request", failure)

    # settings

    async def _settings(self, kind: str, payload: bytes, size: int, retained: bool) -> None:
        command = f"config/{kind}"
        answer: dict[str, Any] = {"command": command, "timestamp": self._center.now()}
        self._running += 1
        try:
            if retained and size <= MAX_SIZE and (ref := read_reference(payload)) is not None:
                answer["ref"] = ref
            self._check_acceptable(size, retained)
            asked = read_object(command, payload) if payload.strip() else Asked(command)
            if asked.ref is not None:
                answer["ref"] = asked.ref
            if kind == "set":
                changes = {name: value for name, value in asked.body.items() if name != "ref"}
                answer["changed"] = sorted(await self._center.change_settings(changes))
            answer |= {"settings": self._center.changeable_settings(), "status": "done"}
        except CommandError as error:
            self.log.info(
                "request refused {command} {code} {error}",
                command=command,
                code=error.code,
                error=error.message,
            )
            answer |= {"status": "failed", "error": failure_of(error)}
        finally:
            self._running -= 1
        self._answer_settings(answer)


def _without_end(answers: Iterable[AnyEvent]) -> list[CommandResponse]:
    """Those that tell of a request's arrival and are not followed by its end; oldest first."""
    open_requests: dict[tuple[EUI, str, str | int | None], list[CommandResponse]] = {}
    for answer in answers:
        if isinstance(answer, CommandResponse):
            waiting = open_requests.setdefault((answer.end_point_eui, answer.command, answer.ref), [])
            if answer.status == "received":
                waiting.append(answer)
            elif waiting:
                waiting.pop(0)
    return [answer for waiting in open_requests.values() for answer in waiting]


def _downlink(downlink: Downlink) -> dict[str, Any]:
    return {"queId": downlink.queue_id, "state": downlink.state}


def _result(eui: EUI, outcomes: Outcomes) -> dict[str, Any]:
    """The outcome per station; raises if a station refused, telling part from all."""
    stations = outcomes.get(eui, {})
    result = {"base_stations": {station: _outcome(outcome) for station, outcome in stations.items()}}
    missing = shortfall(stations.values())
    if missing is not None:
        message = f"{missing.failed} of {missing.asked} connected base stations did not do it"
        raise CommandError(missing.code, message, result=result)
    return result


def _outcome(outcome: Outcome) -> dict[str, Any]:
    entry: dict[str, Any] = {"state": outcome.state}
    if outcome.code is not None:
        entry |= {"code": outcome.code, "message": outcome.message}
    return entry
