"""Decoders, and the results of decoding."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bssci.center.decoding.collecting import ReadingValue
from bssci.web.api.schemas.common import Answer
from bssci.web.http.reading import TypedEui
from bssci.web.http.replies import Done

MAX_PAYLOAD = 8192
"""characters of a payload, at most"""

# bodies


class DecoderText(msgspec.Struct, kw_only=True):
    """The text of a decoder's file."""

    source: str
    kind: Annotated[
        Literal["json", "js"] | None,
        Meta(description="json: a blueprint or a model, js: a script; found out if it is left out"),
    ] = None


class WantedTrial(msgspec.Struct, kw_only=True):
    """A decoder and a payload to try it on."""

    payload: Annotated[
        str | dict[str, str],
        Meta(description='bytes in hexadecimal digits or base64; {"base64": text} leaves no doubt'),
    ]
    name: Annotated[str | None, Meta(description="of a decoder that there is")] = None
    source: Annotated[str | None, Meta(description="text of one that shall be; a script: admin only")] = None
    kind: Annotated[Literal["json", "js"] | None, Meta(description="of the source")] = None
    format: Annotated[int, Meta(ge=0, le=255, description="the telegram's format byte")] = 0
    parameters: Annotated[
        dict[str, Any] | None, Meta(description="as a sensor's decoderParameters; of the sensor without")
    ] = None
    sensor: Annotated[
        TypedEui | None, Meta(description="whose decoderParameters are used; without a name also its decoder")
    ] = None


# answers


class DecoderFailed(Answer):
    """The last payload that a decoder could not read."""

    code: str
    message: str
    timestamp: float | None
    device: str


class DecoderRow(Answer):
    """A decoder, and its counts since the start of the service."""

    name: str
    version: str
    kind: Literal["blueprint", "model", "script", "built in"]
    title: str
    typeEui: str | None
    file: str | None
    """None: it is built in or comes with a plugin"""
    sensors: int
    """number of sensors and other devices that are configured for the decoder"""
    examples: int
    decoded: int
    failures: int
    failing: bool
    last_failure: DecoderFailed | None


class DecoderProblem(Answer):
    """A problem of a file, or of an installed decoder."""

    file: str | None
    line: int | None
    reason: str
    refused: bool
    """false: the decoder can be used nevertheless"""


class DecoderAtRest(Answer):
    """A paused script: it is not run for a while."""

    decoder: str
    reason: str


class DecoderList(Answer):
    """Every decoder by name, and what is wrong."""

    directory: str
    decoders: list[DecoderRow]
    problems: list[DecoderProblem]
    resting: list[DecoderAtRest]


class ReadingEntry(Answer):
    """One value that a decoder read."""

    name: str
    value: ReadingValue
    unit: str | None


class DecoderExample(Answer):
    """An example of a decoder, and its result."""

    name: str
    payload: str
    format: int
    line: int
    error: str | None
    """code of the failure that is expected"""
    passed: bool
    differences: list[str]
    readings: list[ReadingEntry]


class DecoderDetail(Answer):
    """A decoder, or a file that could not be compiled to one."""

    name: str
    file: str | None
    decoder: DecoderRow | None
    text: str | None
    problems: list[DecoderProblem]
    examples: list[DecoderExample]


class DecoderStored(Done):
    """A decoder's file is written and used."""

    name: str
    file: str
    version: str
    examples: list[DecoderExample]


class FieldEntry(Answer):
    """Result of one field of the payload."""

    name: str
    first_bit: int | None
    """0 is the highest bit of the first byte; None for what is computed"""
    bits: int
    raw: str | None
    reading: ReadingEntry | None
    absent: bool


class TrialResult(Done):
    """Result of trying a decoder."""

    decoder: str
    readings: list[ReadingEntry]
    warnings: list[str]
    fields: list[FieldEntry]
