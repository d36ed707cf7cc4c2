"""Requests that come by MQTT: from topics to commands of the service center, from outcomes to answers.

    ep/{EUI}/config, /register   a sensor's configuration            -> configure
    ep/{EUI}/cmd                 attach, detach, status, reception   -> attach, detach, sensor_report, ...
    ep/{EUI}/dl                  a downlink, or {"revoke": id}       -> queue_downlink, revoke_downlink
    {ac}/{EUI}/downlink          the same as dl, with MQTT_PROFILE=acmqtti; see center_downlinks
    config/get, config/set       settings that may change            -> change_settings

Every request for a sensor is answered on ``ep/{EUI}/response``: ``received``, then ``done`` or
``failed``. Answers are events: they are stored, so that a broker that is away gets them later, and the last
one is stored in the commit that ends the request. Requests for one sensor are carried out in the order in
which they come. Their changes are in the audit log under the sink's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from bssci.center.access import Access
from bssci.center.downlinks.request_json import NOT_YET_REVOKED, downlink_request
from bssci.center.turns import Turns
from bssci.journal import Change, StorageError
from bssci.model import EUI, CommandFailure, CommandResponse, Downlink, parse_eui
from bssci.model.commands import CommandError, Outcome, Outcomes, shortfall
from bssci.model.counts import grouped, many
from bssci.model.states import RequestOutcome, RequestState
from bssci.mqtt.acmqtti import DOWNLINK
from bssci.mqtt.payloads import response
from bssci.mqtt.values import Received, ReplyTo
from bssci.sinks.mqtt.center_downlinks import as_request
from bssci.sinks.mqtt.disk_order import Stopped
from bssci.sinks.mqtt.intake import MAX_RUNNING, SOURCE, Intake, IntakeRequest
from bssci.sinks.mqtt.request_payloads import (
    LABEL,
    MAX_SIZE,
    Asked,
    failure_of,
    read_command,
    read_object,
    read_reference,
    read_sensor,
    refuse_dry_run,
    reply_error,
    size_error,
    without_mark,
)
from bssci.system.line_limit import LineLimit, telling

MAX_RETAINED = 10_000
"""topics of retained requests that are remembered; retained requests on further topics are ignored"""
REPEATED = 300.0
"""s within which a downlink with the same ``ref`` and content is taken for a repetition"""
COMMANDS = ("attach", "detach", "status", "reception")
_NAMES = {"dl": "downlink", "config": "config", "register": "config", "cmd": "cmd"}
_KINDS = {"register": "config", "downlink": "dl"}
"""kinds of requests that have another name as well"""
_encode = msgspec.json.Encoder().encode


AnswerSettings = Callable[["dict[str, Any]", "ReplyTo | None"], "Deferred[None]"]


class Addressee(NamedTuple):
    """The sensor or the settings that a request's topic addresses."""

    eui: EUI | None
    """the sensor; None: the settings"""
    kind: str
    """config, cmd or dl for a sensor; get or set for the settings"""

    @property
    def topic(self) -> str:
        """The topic without BASE_TOPIC, in one spelling."""
        return f"config/{self.kind}" if self.eui is None else f"ep/{self.eui}/{self.kind}"


class MqttRequests:
    """Carries requests to the service center and answers to the journal.

    :param answer_settings: publishes the answer to ``config/get`` and ``config/set``, also on the response
        topic; fires when the broker has it.
    :param listens_to: returns whether a message on a topic is taken for a request.
    """

    log = Logger()

    def __init__(
        self,
        center: Access,
        base_topic: str,
        intake: Intake,
        answer_settings: AnswerSettings,
        listens_to: Callable[[str], bool] = lambda topic: False,
    ) -> None:
        self._center = center
        self._base_topic = base_topic
        self._intake = intake
        self._answer_settings = answer_settings
        self._listens_to = listens_to
        self._turns = Turns()
        self._setting_turns = DeferredLock()
        self._lines = LineLimit(center.now)
        self._retained: set[str] = set()

    def topics(self) -> list[str]:
        """Return the topics to subscribe to below BASE_TOPIC, with and without a last ``/``."""
        base = self._base_topic
        kinds = [f"{base}/ep/+/{kind}" for kind in _NAMES]
        kinds += [f"{base}/EP/+/cmd", f"{base}/config/get", f"{base}/config/set"]
        return [f"{topic}{end}" for topic in kinds for end in ("", "/")]

    def older_topics(self) -> list[str]:
        """Return the topics to subscribe to outside of BASE_TOPIC: those of older installations."""
        return ["EP/+/cmd", "EP/+/cmd/"]

    def received(self, message: Received) -> Deferred[None] | None:
        """Take one request. Its content never makes this raise.

        :return: fires when it may be acknowledged; None: at once.
        """
        place = self._place(message.topic)
        if place is None or (not message.payload and place.topic != "config/get"):
            # An empty message makes the broker forget a retained one; it asks for nothing.
            return None
        if message.reply is None and place.eui is not None and _is_older(message.topic):
            older = f"{self._base_topic}/EP/{place.eui}/response"
            message = message._replace(reply=ReplyTo(older))
        refusal = self._refusal(message.topic, len(message.payload), message.retained)
        wrong = reply_error(message.reply, self._listens_to)
        reply = message.reply if wrong is None else None
        if (error := refusal or wrong) is not None:
            return self._refuse(place, message.payload, error, reply)
        if _kind_of(message.topic) == DOWNLINK:
            message = message._replace(payload=as_request(message.payload))
        told = self._tell_received(place, message.payload, reply)
        return self._intake.take(place.topic, message, told, self.carry_out)

    def too_large(self, topic: str, size: int, retained: bool) -> None:
        """Refuse a request of ``size`` bytes, of which only the topic was read."""
        place = self._place(topic)
        refusal = self._refusal(topic, size, retained)
        if place is not None and refusal is not None:
            refused = self._refuse(place, b"", refusal)
            if refused is not None:
                refused.addErrback(lambda failure: failure.trap(Stopped))

    def _place(self, topic: str) -> Addressee | None:
        *_, before, last = ["", *topic.removesuffix("/").split("/")]
        if before == "config":
            return Addressee(None, last)
        try:
            return Addressee(parse_eui(before), _KINDS.get(last, last))
        except ValueError as error:
            self._intake.misaddressed += 1
            if (left_out := self._lines.admit()) is not None:
                self.log.warn(
                    telling("request for no sensor {topic} {error}", left_out),
                    topic=topic[:200],
                    error=str(error)[:200],
                    left_out=left_out,
                )
            return None

    def _refusal(self, topic: str, size: int, retained: bool) -> CommandError | None:
        """Return the reason why a request is not even stored; None if it may be."""
        if retained:
            return CommandError("retained", "is not carried out: publish requests without retain", "retain")
        if size > MAX_SIZE:
            return size_error(size)
        if self._intake.busy:
            return CommandError("busy", f"{MAX_RUNNING} requests are under way; try again later")
        return None

    def _is_repeated(self, topic: str) -> bool:
        """Return whether a retained request was answered before: it comes again with every subscription."""
        if topic in self._retained or len(self._retained) >= MAX_RETAINED:
            return True
        self._retained.add(topic)
        return False

    def _refuse(
        self, place: Addressee, payload: bytes, error: CommandError, reply: ReplyTo | None = None
    ) -> Deferred[None] | None:
        """Answer a request that is not stored.

        :return: fires when the request may be acknowledged; None: at once.
        """
        if error.code == "retained" and self._is_repeated(place.topic):
            return None
        ref = read_reference(payload) if len(payload) <= MAX_SIZE else None
        if place.eui is None:
            answer = self._settings_answer(place.kind) | ({} if ref is None else {"ref": ref})
            self._answer_settings(answer | self._failed(f"config/{place.kind}", error), reply)
            return None
        asked = Asked(_NAMES.get(place.kind, place.kind), ref)
        received = self._answer(place.eui, asked, "received", reply=reply)
        return self._intake.refuse([received, self._answer(place.eui, asked, "failed", error, reply=reply)])

    # Carrying out

    async def carry_out(self, request: IntakeRequest) -> None:
        """Do what a request that is on disk asks for, and answer it."""
        place = self._place(request.topic)
        if place is None:
            await self._intake.answer(request, "failed", b"")
        elif place.eui is None:
            await self._settings(place.kind, request)
        else:
            await self._sensor(place.eui, place.kind, request)

    # A sensor's requests

    def _tell_received(self, place: Addressee, payload: bytes, reply: ReplyTo | None) -> Callable[[], None]:
        eui = place.eui
        if eui is None:
            return lambda: None
        try:
            asked = self._read(place.kind, payload)
        except CommandError:
            asked = Asked(_NAMES.get(place.kind, place.kind))
        return lambda: self._center.report(self._answer(eui, asked, "received", reply=reply))

    def _read(self, kind: str, payload: bytes) -> Asked:
        return read_command(payload) if kind == "cmd" else read_object(_NAMES.get(kind, kind), payload)

    async def _sensor(self, eui: EUI, kind: str, request: IntakeRequest) -> None:
        asked = Asked(_NAMES.get(kind, kind))
        result: dict[str, Any] = {}
        failed: CommandError | None = None
        try:
            asked = self._read(kind, request.payload)
            result = await self._turns.run([eui], lambda: self._do(eui, kind, asked, request))
        except CommandError as error:
            failed = error
        except StorageError as error:
            failed = CommandError("unavailable", str(error))
        except Exception:
            self.log.failure("request failed {ep_eui} {command}", ep_eui=eui, command=asked.command)
            failed = CommandError("internal", "internal error, see the log")
        status: RequestOutcome = "done" if failed is None else "failed"
        answer = self._answer(eui, asked, status, failed, result, request.reply)
        await self._intake.answer(request, status, _encode(response(answer)[1]), answer)

    async def _do(self, eui: EUI, kind: str, asked: Asked, request: IntakeRequest) -> dict[str, Any]:
        if request.note is not None:
            return _noted(request.note)
        self._refuse_late(request)
        refuse_dry_run(asked.body)
        if kind == "cmd":
            return await self._command(eui, asked.command)
        if kind != "dl":
            return await self._configure(eui, asked)
        if "revoke" in asked.body:
            return await self._revoke(eui, asked.body, request)
        return await self._queue(eui, asked, request)

    async def _configure(self, eui: EUI, asked: Asked) -> dict[str, Any]:
        changing = self._center.change_sensor(eui, lambda known: read_sensor(eui, asked.body, known))
        return _result(eui, await changing)

    async def _command(self, eui: EUI, command: str) -> dict[str, Any]:
        center = self._center
        if command in ("attach", "detach"):
            outcomes = await (center.attach([eui]) if command == "attach" else center.detach([eui]))
            return _result(eui, outcomes)
        if command == "status":
            self.log.info("status query for a sensor {eui} {who}", eui=eui, who=SOURCE)
            return await center.sensor_report(eui)
        if command == "reception":
            return {"base_station_eui": await center.query_reception(eui)}
        what = f"{command!r} is not a command" if command else "command is missing"
        raise CommandError("unknown_command", f"{what}; the commands are {', '.join(COMMANDS)}", "command")

    async def _queue(self, eui: EUI, asked: Asked, request: IntakeRequest) -> dict[str, Any]:
        body = asked.body
        if request.expires_at is not None and "expires_in" not in body:
            body = {**body, "expires_in": request.expires_at - request.received_at}
        wanted = downlink_request(eui, body)
        if asked.ref is not None:
            # A broker may deliver a request twice, and a client may send it again to be sure.
            for earlier in await self._center.downlinks_of(eui):
                if earlier.request == wanted and self._center.now() - earlier.created_at < REPEATED:
                    return _downlink(earlier) | {"repeated": True}

        def note(queue_id: int) -> Change:
            return self._intake.noting(request, _encode({"queId": queue_id, "state": "queued"}))

        return _downlink(await self._center.queue_downlink(wanted, note))

    async def _revoke(self, eui: EUI, asked: Mapping[str, Any], request: IntakeRequest) -> dict[str, Any]:
        queue_id = asked["revoke"]
        if type(queue_id) is not int or queue_id < 0:
            raise CommandError("invalid", "revoke must be a queId: a whole number", "revoke")
        for field in asked.keys() - {"revoke", "ref"}:
            name = field[:LABEL]
            raise CommandError("invalid", f"{name} must be left out: only ref may stand beside revoke", name)
        if request.resumed:
            for earlier in await self._center.downlinks_of(eui):
                if earlier.queue_id == queue_id and earlier.state == "revoked":
                    return _downlink(earlier)
        try:
            downlink = await self._center.revoke_downlink(eui, queue_id)
        except CommandError as error:
            named = "revoke" if error.field == "queue_id" else error.field
            raise CommandError(error.code, error.message, named, error.result) from error
        answer = _downlink(downlink)
        return answer | {"message": NOT_YET_REVOKED} if downlink.state == "queued" else answer

    # Answers

    def _answer(
        self,
        eui: EUI,
        asked: Asked,
        status: RequestState,
        error: CommandError | None = None,
        result: dict[str, Any] | None = None,
        reply: ReplyTo | None = None,
    ) -> CommandResponse:
        if error is not None:
            self.log.info(
                "request refused {ep_eui} {command} {code} {error}",
                ep_eui=eui,
                command=asked.command,
                code=error.code,
                error=error.message,
            )
        return CommandResponse(
            at=self._center.now(),
            end_point_eui=eui,
            command=asked.command,
            status=status,
            ref=asked.ref,
            error=CommandFailure(error.code, error.message, error.field) if error else None,
            result=(error.result if error else result) or {},
            reply_to=reply.topic if reply else "",
            correlation=reply.correlation if reply else b"",
        )

    def _refuse_late(self, request: IntakeRequest) -> None:
        """Refuse a request whose message expiry is over.

        :raises CommandError: ``expired``.
        """
        if request.expires_at is not None and self._center.now() >= request.expires_at:
            raise CommandError("expired", "its message expiry was over before it could be carried out")

    # Settings

    async def _settings(self, kind: str, request: IntakeRequest) -> None:
        # In the order in which they came: the last of several changes stays.
        await self._setting_turns.acquire()
        try:
            answer = await self._show_or_change(kind, request)
            published = self._answer_settings(answer, request.reply)
        finally:
            self._setting_turns.release()
        await published
        state: RequestOutcome = "done" if answer["status"] == "done" else "failed"
        await self._intake.answer(request, state, _encode(answer))

    async def _show_or_change(self, kind: str, request: IntakeRequest) -> dict[str, Any]:
        command = f"config/{kind}"
        answer = self._settings_answer(kind)
        try:
            self._refuse_late(request)
            payload = without_mark(request.payload)
            asked = read_object(command, payload) if payload.strip() else Asked(command)
            if asked.ref is not None:
                answer["ref"] = asked.ref
            if kind == "set":
                changes = {name: value for name, value in asked.body.items() if name != "ref"}
                answer["changed"] = sorted(await self._center.change_settings(changes))
            answer |= {"settings": self._center.changeable_settings(), "status": "done"}
        except CommandError as error:
            answer |= self._failed(command, error)
        except Exception:
            self.log.failure("request failed {command}", command=command)
            answer |= self._failed(command, CommandError("internal", "internal error, see the log"))
        return answer

    def _settings_answer(self, kind: str) -> dict[str, Any]:
        return {"command": f"config/{kind}", "timestamp": self._center.now()}

    def _failed(self, command: str, error: CommandError) -> dict[str, Any]:
        self.log.info(
            "request refused {command} {code} {error}",
            command=command,
            code=error.code,
            error=error.message,
        )
        return {"status": "failed", "error": failure_of(error)}


def _kind_of(topic: str) -> str:
    """Return the last level of a topic."""
    return topic.removesuffix("/").rpartition("/")[2]


def _is_older(topic: str) -> bool:
    """Return whether a command came on the topic of older installations: ``EP/{EUI}/cmd/``."""
    return topic.removesuffix("/").split("/")[-3:-2] == ["EP"]


def _noted(note: bytes) -> dict[str, Any]:
    """Return the result of a request that an earlier run carried out; empty if the note is damaged."""
    try:
        return msgspec.json.decode(note, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


def _downlink(downlink: Downlink) -> dict[str, Any]:
    return {"queId": downlink.queue_id, "state": downlink.state}


def _result(eui: EUI, outcomes: Outcomes) -> dict[str, Any]:
    """Return the outcome of each station.

    :raises CommandError: some or all stations failed; the code says which.
    """
    stations = outcomes.of(eui)
    result = {"base_stations": {station: _outcome(outcome) for station, outcome in stations.items()}}
    missing = shortfall(stations.values())
    if missing is not None:
        asked = many(missing.asked, "connected base station")
        message = f"{grouped(missing.failed)} of {asked} failed to do it"
        raise CommandError(missing.code, message, result=result)
    return result


def _outcome(outcome: Outcome) -> dict[str, Any]:
    entry: dict[str, Any] = {"state": outcome.state}
    if outcome.code is not None:
        entry |= {"code": outcome.code, "message": outcome.message}
    return entry
