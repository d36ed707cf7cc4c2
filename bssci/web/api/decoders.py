"""Decoders: list, store, delete, try out."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from bssci.decoders.commented_json import MAX_CHARACTERS
from bssci.decoders.examples import parse_hex
from bssci.decoders.interfaces import Payload
from bssci.decoders.library import name_fault, split_name
from bssci.model.device_id import sensor_device
from bssci.model.plain_text import CONTROLS, control_fault
from bssci.web.access.accounts import may
from bssci.web.api.schemas.common import OnlyNew, told
from bssci.web.api.schemas.decoders import (
    MAX_PAYLOAD,
    DecoderDetail,
    DecoderExample,
    DecoderList,
    DecoderStored,
    DecoderText,
    TrialResult,
    WantedTrial,
)
from bssci.web.context import Context
from bssci.web.http.call import Call
from bssci.web.http.errors import ApiError, invalid, not_found
from bssci.web.http.replies import Done
from bssci.web.http.routing import route
from bssci.web.reports.decoders import BLUEPRINT, SCRIPT, ending_for, examples_json, wrong_text
from bssci.web.reports.facade import Views

MAX_SOURCE = 3 * MAX_CHARACTERS
"""bytes of a request with a decoder's text"""
TRIAL = "trial"
"""name of a decoder that is not stored yet"""


class DecoderRoutes:
    """Routes for decoders."""

    def __init__(self, context: Context, views: Views) -> None:
        self._context = context
        self._views = views.decoders

    @route("GET", "/api/decoders", "viewer", "Decoders: versions, sensors, failures, problems of files")
    async def all(self, call: Call) -> DecoderList:
        return told(DecoderList, await self._views.all())

    @route("GET", "/api/decoders/{name}", "viewer", "One decoder: its text, and its examples run")
    async def detail(self, call: Call) -> DecoderDetail:
        return told(DecoderDetail, await self._views.detail(call.path["name"]))

    @route(
        "PUT",
        "/api/decoders/{name}",
        "admin",
        "Store a decoder's file, and use it; one that is wrong changes nothing",
        max_body=MAX_SOURCE,
    )
    async def put(self, call: Call, query: OnlyNew, body: DecoderText) -> DecoderStored:
        name = call.path["name"]
        if fault := name_fault(name):
            raise ApiError(422, "invalid", fault, "name")
        file = self._views.file_of(name)
        if query.only_new and file is not None:
            raise ApiError(409, "conflict", f"there is a decoder {name} already: edit it on its page", "name")
        if file is None or (body.kind is not None and not file.endswith(f".{body.kind}")):
            file = name + (f".{body.kind}" if body.kind is not None else ending_for(body.source))
        decoder, results = await self._views.compile(file, body.source)
        if control_fault(getattr(decoder, "title", "") or ""):
            raise ApiError(422, "invalid", f"the title {CONTROLS}", "source")
        detail = f"version {decoder.version}"
        try:
            await self._views.files.put(name, file, body.source, detail, call.actor)
        except ValueError as error:
            raise wrong_text(error) from error
        except OSError as error:
            raise not_written(error) from error
        examples = told(list[DecoderExample], examples_json(results))
        return DecoderStored(name=name, file=file, version=decoder.version, examples=examples)

    @route("DELETE", "/api/decoders/{name}", "admin", "Delete a decoder and its file")
    async def delete(self, call: Call) -> Done:
        name = call.path["name"]
        file = self._views.file_of(name)
        if file is None:
            self._views.decoder(name)
            raise ApiError(409, "built_in", f"{name} is built in: it has no file that could be deleted")
        try:
            await self._views.files.delete(name, file, call.actor)
        except FileNotFoundError:
            raise not_found(f"there is no decoder {name}") from None
        except OSError as error:
            raise not_written(error) from error
        return Done()

    @route(
        "POST",
        "/api/decoders/try",
        "operator",
        "Decode a payload: readings and the bits of each field, or the error with its place",
        max_body=MAX_SOURCE,
    )
    async def attempt(self, call: Call, body: WantedTrial) -> TrialResult:
        sensor = self._context.center.sensors.get(body.sensor) if body.sensor is not None else None
        if body.sensor is not None and sensor is None:
            raise invalid("sensor", "is not configured")
        payload = Payload(
            data=payload_bytes(body.payload),
            kind="uplink",
            device=sensor_device(body.sensor) if body.sensor is not None else "",
            received_at=self._context.now(),
            format=body.format,
            type_eui=sensor.type_eui if sensor is not None else None,
        )
        parameters = body.parameters
        if parameters is None:
            parameters = dict(sensor.decoder_parameters) if sensor is not None else {}
        decoder = await self._decoder(call, body, payload)
        found = await self._views.attempt(decoder, payload, parameters)
        failure = found.pop("failure")
        if failure is not None:
            raise ApiError(422, failure["code"], failure["message"], "payload", more=found)
        return told(TrialResult, found)

    async def _decoder(self, call: Call, body: WantedTrial, payload: Payload) -> Any:
        if body.source is not None:
            name, ending = split_name(body.name) if body.name else (TRIAL, "")
            if ending not in (BLUEPRINT, SCRIPT):
                name = body.name or TRIAL
            ending = f".{body.kind}" if body.kind is not None else ending_for(body.source)
            if ending == SCRIPT and not may(call.identity.role, "admin"):
                raise ApiError(403, "forbidden", "new scripts are run for the role admin only")
            decoder, _ = await self._views.compile(name + ending, body.source)
            return decoder
        if body.name:
            return self._views.decoder(body.name)
        if body.sensor is None:
            raise invalid("name", "is missing; or give the source, or a sensor")
        decoders = self._views.decoders
        decoder = decoders.decoding.choose(payload, decoders.wanted(payload.device))
        if decoder is None:
            raise ApiError(409, "no_decoder", "the sensor has no decoder yet")
        return decoder


def payload_bytes(given: str | Mapping[str, str]) -> bytes:
    """Return the bytes of a payload that is text.

    :raises ApiError: 422: neither hexadecimal digits nor base64.
    """
    allowed = invalid(
        "payload", f"must be bytes in hexadecimal digits or base64, of at most {MAX_PAYLOAD} characters"
    )
    text = given if isinstance(given, str) else given.get("base64")
    if text is None or len(text) > MAX_PAYLOAD:
        raise allowed
    if isinstance(given, str):
        try:
            return parse_hex(text)
        except ValueError:
            pass  # then it is base64, or nothing
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise allowed from None


def not_written(error: OSError) -> ApiError:
    """Return why a decoder's file is not stored."""
    return ApiError(503, "unavailable", f"the folder of decoders cannot be written: {error.strerror}")
