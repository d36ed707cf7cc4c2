"""Decoders: the list with their counts, one with its text and examples, and trials."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from bssci.center.decoding.decoders import Decoders
from bssci.center.decoding.file_commands import DecoderFileCommands
from bssci.center.decoding.tallies import Tally
from bssci.center.decoding.trials import Trials
from bssci.decoders.blueprints import Blueprint
from bssci.decoders.datapoints import DataPoints
from bssci.decoders.examples import ExampleResult
from bssci.decoders.interfaces import Payload
from bssci.decoders.library import Problem, split_name
from bssci.decoders.running import Attempt
from bssci.decoders.scripts import ScriptDecoder
from bssci.model import Reading
from bssci.model.device_id import parse_device_id
from bssci.system.clock import in_slices
from bssci.web.context import Context
from bssci.web.http.errors import ApiError, not_found

_NO_ID = "must be the id of a device: mioty:EUI, ble:MAC, and so on"
SLICE = 5000
"""sensors or devices that are counted in one turn of the reactor"""
BLUEPRINT, SCRIPT = ".json", ".js"
"""extensions of files"""
_BEFORE_TEXT = re.compile(r"(?:[\ufeff\s]++|/\*.*?\*/|//[^\n]*+)*+", re.DOTALL)
"""spaces and comments; without going back, so that a file of comments takes no longer than any other"""


class DecoderViews:
    """Reports on decoders."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._decoders = context.outside.decoders
        slow = self._decoders.threads if self._decoders is not None else None
        self.trials = Trials(context.run_in_thread, slow)

    @property
    def decoders(self) -> Decoders:
        """Return the decoders of the service.

        :raises ApiError: 503: it has none.
        """
        if self._decoders is None:
            raise ApiError(503, "unavailable", "this service runs without decoders")
        return self._decoders

    @property
    def files(self) -> DecoderFileCommands:
        """Return the commands on the files of decoders. Raises what :attr:`decoders` raises."""
        return DecoderFileCommands(self._context.audit, self.decoders.folder)

    async def all(self) -> dict[str, Any]:
        """Return every decoder by name, and the problems of files and of installed decoders."""
        decoders = self.decoders
        sensors = await self._sensors()
        files = {name: file for file, name in decoders.folder.library.files.items()}
        return {
            "directory": decoders.folder.path.name,
            "decoders": [
                self._row(decoder, files.get(name), sensors)
                for name, decoder in sorted(decoders.decoding.decoders.items())
            ],
            "problems": [
                *({"file": None, "line": None, "reason": text, "refused": True} for text in decoders.refused),
                *map(_problem, decoders.folder.library.problems),
            ],
            "resting": [{"decoder": rest.decoder, "reason": rest.reason} for rest in decoders.resting],
        }

    async def detail(self, name: str) -> dict[str, Any]:
        """Return one decoder with its text, the problem of its file and the results of its examples.

        :raises ApiError: 404: there is neither a decoder nor a file of this name.
        """
        library = self.decoders.folder.library
        decoder = self.decoders.decoding.decoders.get(name)
        file = self.file_of(name)
        if decoder is None and file is None:
            raise not_found(f"there is no decoder {name}")
        problems = [problem for problem in library.problems if problem.file == file]
        row = self._row(decoder, file, await self._sensors()) if decoder is not None else None
        results = await self.trials.run_examples(decoder) if decoder is not None else []
        return {
            "name": name,
            "file": file,
            "decoder": row,
            "text": library.texts.get(file) if file is not None else None,
            "problems": [_problem(problem) for problem in problems],
            "examples": [_example(result) for result in results],
        }

    def file_of(self, name: str) -> str | None:
        """Return the file of a decoder, even if the file is wrong; None if there is none."""
        library = self.decoders.folder.library
        for file, made in library.files.items():
            if made == name:
                return file
        return next((file for file in sorted(library.texts) if split_name(file)[0] == name), None)

    def decoder(self, name: str) -> Any:
        """Return the decoder with a name.

        :raises ApiError: 404
        """
        decoder = self.decoders.decoding.decoders.get(name)
        if decoder is None:
            raise not_found(f"there is no decoder {name}")
        return decoder

    async def compile(self, file: str, text: str) -> tuple[Any, list[ExampleResult]]:
        """Compile a text; return the decoder and the results of its examples.

        :raises ApiError: 422, with the line.
        """
        try:
            return await self.trials.compile(file, text)
        except ValueError as error:
            raise wrong_text(error) from error

    async def attempt(self, decoder: Any, payload: Payload, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Try a decoder on a payload and return the result."""
        return _attempt(await self.trials.decode(decoder, payload, parameters))

    async def _sensors(self) -> Counter[str]:
        """Return the number of sensors and other devices that are configured for each decoder."""
        by_type = {
            decoder.type_eui: name
            for name, decoder in sorted(self.decoders.decoding.decoders.items(), reverse=True)
            if getattr(decoder, "type_eui", None)
        }
        found = Counter[str]()
        async for some in in_slices(self._context.clock, self._context.center.sensors.all(), SLICE):
            for sensor in some:
                name = sensor.decoder or by_type.get(sensor.type_eui) if sensor.type_eui else sensor.decoder
                if name:
                    found[name] += 1
        async for devices in in_slices(self._context.clock, list(self._context.center.devices), SLICE):
            found.update(device.decoder for device in devices if device.decoder)
        return found

    def _row(self, decoder: Any, file: str | None, sensors: Mapping[str, int]) -> dict[str, Any]:
        tally = self.decoders.decoding.by_decoder.get(decoder.name)
        return {
            "name": decoder.name,
            "version": decoder.version,
            "kind": decoder_kind(decoder),
            "title": getattr(decoder, "title", "") or "",
            "typeEui": getattr(decoder, "type_eui", None),
            "file": file,
            "sensors": sensors.get(decoder.name, 0),
            "examples": len(getattr(decoder, "examples", ())),
            **_counts(tally, "device"),
        }


def counts_of_device(context: Context, device: str) -> dict[str, Any] | None:
    """Return how many payloads of a device were decoded since the start; None: the service has no
    decoders.
    """
    decoders = context.outside.decoders
    return None if decoders is None else _counts(decoders.decoding.by_device.get(device), "decoder")


def _counts(tally: Tally | None, other: str) -> dict[str, Any]:
    """Return the counts of a decoder or device.

    :param other: name of the field that names the decoder or device of the last failure.
    """
    tally = tally or Tally()
    failure = tally.failure
    return {
        "decoded": tally.decoded,
        "failures": tally.failed,
        "failing": tally.failing,
        "last_failure": None
        if failure is None
        else {
            "code": failure.code,
            "message": failure.message,
            "timestamp": tally.failed_at,
            other: tally.failed_with,
        },
    }


def decoder_kind(decoder: Any) -> str:
    """Return the kind of a decoder in one word, for people."""
    if isinstance(decoder, Blueprint):
        return "blueprint"
    if isinstance(decoder, DataPoints):
        return "model"
    return "script" if isinstance(decoder, ScriptDecoder) else "built in"


def ending_for(text: str) -> str:
    """Return the extension for the file of a text: JSON begins with a brace, perhaps after comments."""
    begin = _BEFORE_TEXT.match(text)
    assert begin is not None  # it matches nothing at all, too
    return BLUEPRINT if text.startswith("{", begin.end()) else SCRIPT


def wrong_text(error: ValueError) -> ApiError:
    """Return the error for a text that is not a decoder, with the line if it is known."""
    line = getattr(error, "line", None)
    text = " ".join(str(error).split()) or "is wrong"
    more = {} if line is None else {"line": line}
    return ApiError(422, "invalid", text, "source", more=more)


def reading_json(reading: Reading) -> dict[str, Any]:
    """Return name, value and unit; the unit is None if there is none."""
    return {"name": reading.name, "value": reading.value, "unit": reading.unit}


def device_in_path(text: str) -> str:
    """Return the id of a device; a sensor may be given by its EUI alone.

    :raises ApiError: 404: it is not an id.
    """
    try:
        return parse_device_id(text)
    except ValueError:
        raise not_found(_NO_ID) from None


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line,
        "reason": problem.reason,
        "refused": problem.refused,
    }


def _example(result: ExampleResult) -> dict[str, Any]:
    example = result.example
    return {
        "name": example.name,
        "payload": example.payload.hex(),
        "format": example.format,
        "line": example.line,
        "error": example.error,
        "passed": result.passed,
        "differences": list(result.differences),
        "readings": [reading_json(reading) for reading in result.readings],
    }


def examples_json(results: list[ExampleResult]) -> list[dict[str, Any]]:
    """Return the results of examples as JSON."""
    return [_example(result) for result in results]


def _attempt(attempt: Attempt) -> dict[str, Any]:
    decoded = attempt.decoded
    failure = decoded.failure
    return {
        "decoder": decoded.decoder,
        "readings": [reading_json(reading) for reading in decoded.readings],
        "warnings": list(decoded.warnings),
        "fields": [
            {
                "name": field.name,
                "first_bit": field.first_bit,
                "bits": field.bits,
                "raw": f"0x{field.raw:x}" if field.raw is not None else None,
                "reading": reading_json(field.reading) if field.reading is not None else None,
                "absent": field.absent,
            }
            for field in attempt.fields
        ],
        "failure": {"code": failure.code, "message": failure.message} if failure is not None else None,
    }
