"""Requests that come by MQTT: topics and payloads to commands, outcomes to answers.

    ep/{EUI}/config, /register   a sensor's configuration        -> configure
    ep/{EUI}/cmd                 attach, detach, status          -> attach, detach, sensor_report
    ep/{EUI}/dl                  a downlink, or {"revoke": id}   -> queue_downlink, revoke_downlink
    config/get, config/set       settings that may change        -> configuration

Every request for a sensor is answered on ``ep/{EUI}/response``: ``received``, then ``done`` or
``failed``. The answers are events: they are stored, so a broker that is away gets them later.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.center import CommandError, ServiceCenter
from bssci.center.downlink_json import downlink_request, reference
from bssci.center.outcomes import Outcome, Outcomes
from bssci.model import (
    EUI,
    CommandFailure,
    CommandResponse,
    SensorError,
    parse_eui,
    parse_sensor,
)

MAX_SIZE = 64 * 1024
"""bytes of a request"""
MAX_RUNNING = 10_000
"""requests under way; one more is refused"""
_COMMANDS = "attach, detach and status"

Run = Callable[[], Coroutine[Deferred[Any], Any, dict[str, Any]]]


class Requests:
    """Carries requests to the service center and answers to the journal.

    :param answer_settings: publishes the answer to ``config/get`` and ``config/set``.
    """

    log = Logger()

    def __init__(
        self, center: ServiceCenter, base_topic: str, answer_settings: Callable[[dict[str, Any]], None]
    ) -> None:
        self._center = center
        self._base_topic = base_topic
        self._answer_settings = answer_settings
        self._running = 0

    def topics(self) -> list[str]:
        """What to subscribe to; with and without a last ``/``, and the older upper-case ``EP``."""
        base = self._base_topic
        kinds = [f"{base}/ep/+/{kind}" for kind in ("config", "register", "cmd", "dl")]
        kinds += [f"{base}/EP/+/cmd", "EP/+/cmd", f"{base}/config/get", f"{base}/config/set"]
        return kinds + [f"{topic}/" for topic in kinds]

    def received(self, topic: str, payload: bytes, retained: bool) -> None:
        """Take one request. Never raises for what it holds."""
        *_, before, last = ["", *topic.rstrip("/").split("/")]
        if before == "config":
            self._settings(last, payload, retained)
            return
        try:
            eui = parse_eui(before)
        except ValueError as error:
            self.log.warn("request for no sensor {topic} {error}", topic=topic[:200], error=str(error)[:200])
            return
        ensureDeferred(self._sensor(eui, last, payload, retained)).addErrback(self._failed)

    # a sensor's requests

    async def _sensor(self, eui: EUI, kind: str, payload: bytes, retained: bool) -> None:
        command, ref = kind, None
        try:
            self._check_acceptable(payload, retained)
            if kind == "cmd":
                command, ref = _command(payload)
                run = self._command(eui, command)
            else:
                command = "downlink" if kind == "dl" else "config"
                request = _object(payload)
                ref = reference(request)
                run = self._downlink(eui, request) if kind == "dl" else self._config(eui, request)
        except CommandError as error:
            self._answer(eui, command, "failed", ref, error)
            return
        self._answer(eui, command, "received", ref)
        self._running += 1
        try:
            result = await run()
        except CommandError as error:
            self._answer(eui, command, "failed", ref, error)
        except Exception:
            self.log.failure("request failed {ep_eui} {command}", ep_eui=eui, command=command)
            self._answer(eui, command, "failed", ref, CommandError("internal", "internal error, see the log"))
        else:
            self._answer(eui, command, "done", ref, result=result)
        finally:
            self._running -= 1

    def _check_acceptable(self, payload: bytes, retained: bool) -> None:
        if retained:
            raise CommandError("retained", "retained requests are not carried out: publish without retain")
        if len(payload) > MAX_SIZE:
            raise CommandError("too_large", f"{len(payload)} bytes, {MAX_SIZE} are allowed")
        if self._running >= MAX_RUNNING:
            raise CommandError("busy", f"{MAX_RUNNING} requests are under way, try again later")

    def _command(self, eui: EUI, command: str) -> Run:
        center = self._center

        async def attach() -> dict[str, Any]:
            return _result(eui, await center.attach([eui]))

        async def detach() -> dict[str, Any]:
            return _result(eui, await center.detach([eui]))

        async def status() -> dict[str, Any]:
            return await center.sensor_report(eui)

        runs: dict[str, Run] = {"attach": attach, "detach": detach, "status": status}
        if command not in runs:
            raise CommandError("invalid", f"{command[:40]!r} is no command; there are {_COMMANDS}", "command")
        return runs[command]

    def _config(self, eui: EUI, request: Mapping[str, Any]) -> Run:
        entry = {name: value for name, value in request.items() if name not in ("ref", "eui")}
        try:
            sensor = parse_sensor({"bidi": False} | entry | {"eui": eui})
        except SensorError as error:
            raise CommandError("invalid", f"{error.field} {error.message}", error.field) from error

        async def configure() -> dict[str, Any]:
            return _result(eui, await self._center.configure([sensor]))

        return configure

    def _downlink(self, eui: EUI, request: Mapping[str, Any]) -> Run:
        if "revoke" in request:
            queue_id = request["revoke"]
            if type(queue_id) is not int or queue_id < 0:
                raise CommandError("invalid", "revoke must be a queId, a whole number", "revoke")

            async def revoke() -> dict[str, Any]:
                downlink = await self._center.revoke_downlink(eui, queue_id)
                return {"queId": downlink.queue_id, "state": downlink.state}

            return revoke
        wanted = downlink_request(eui, request)

        async def queue() -> dict[str, Any]:
            downlink = await self._center.queue_downlink(wanted)
            return {"queId": downlink.queue_id, "state": downlink.state}

        return queue

    def _answer(
        self,
        eui: EUI,
        command: str,
        status: Any,
        ref: str | int | None,
        error: CommandError | None = None,
        result: dict[str, Any] | None = None,
    ) -> None:
        if error is not None:
            self.log.info(
                "request refused {ep_eui} {command} {code} {error}",
                ep_eui=eui,
                command=command[:40],
                code=error.code,
                error=error.message,
            )
        self._center.report(
            CommandResponse(
                at=self._center.now(),
                end_point_eui=eui,
                command=command[:40],
                status=status,
                ref=ref,
                error=CommandFailure(error.code, error.message, error.field) if error else None,
                result=(error.result if error else result) or {},
            )
        )

    def _failed(self, failure: Failure) -> None:
        self.log.failure("request", failure)

    # settings

    def _settings(self, kind: str, payload: bytes, retained: bool) -> None:
        ensureDeferred(self._change_settings(kind, payload, retained)).addErrback(self._failed)

    async def _change_settings(self, kind: str, payload: bytes, retained: bool) -> None:
        answer: dict[str, Any] = {"command": f"config/{kind}", "timestamp": self._center.now()}
        try:
            self._check_acceptable(payload, retained)
            request = _object(payload) if payload.strip() else {}
            if (ref := reference(request)) is not None:
                answer["ref"] = ref
            changes = {name: value for name, value in request.items() if name != "ref"}
            if kind == "set":
                answer["changed"] = sorted(await self._center.change_settings(changes))
            answer["settings"] = self._center.changeable_settings()
            answer["status"] = "done"
        except CommandError as error:
            answer["status"] = "failed"
            answer["error"] = _failure(error)
        self._answer_settings(answer)


def _failure(error: CommandError) -> dict[str, Any]:
    failure = {"code": error.code, "message": error.message}
    return failure | ({"field": error.field} if error.field else {})


def _command(payload: bytes) -> tuple[str, str | int | None]:
    """Plain text, a JSON string, or an object with ``command`` or ``action``."""
    text = payload.decode("utf-8", "replace").strip()
    if not text.startswith(("{", '"')):
        return text.lower(), None
    request = _json(payload)
    if isinstance(request, str):
        return request.strip().lower(), None
    ref = reference(request)
    command = request.get("command", request.get("action"))
    if not isinstance(command, str):
        raise CommandError("invalid", f"command must be one of {_COMMANDS}", "command")
    return command.strip().lower(), ref


def _object(payload: bytes) -> dict[str, Any]:
    request = _json(payload)
    if not isinstance(request, dict):
        raise CommandError("malformed", "the payload must be a JSON object")
    return request


def _json(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "not readable"
        raise CommandError("malformed", f"the payload is no JSON: {reason}") from error


def _result(eui: EUI, outcomes: Outcomes) -> dict[str, Any]:
    """The outcome per station; raises if a station refused, telling part from all."""
    stations = outcomes.get(eui, {})
    result = {"base_stations": {station: _outcome(outcome) for station, outcome in stations.items()}}
    asked = [outcome for outcome in stations.values() if outcome.state != "away"]
    failed = [outcome for outcome in asked if outcome.state != "done"]
    if failed:
        code = "failed" if len(failed) == len(asked) else "partially_failed"
        message = f"{len(failed)} of {len(asked)} connected base stations did not do it"
        raise CommandError(code, message, result=result)
    return result


def _outcome(outcome: Outcome) -> dict[str, Any]:
    entry: dict[str, Any] = {"state": outcome.state}
    if outcome.code is not None:
        entry |= {"code": outcome.code, "message": outcome.message}
    return entry
