"""JavaScript codecs in the forms of ChirpStack and The Things Stack.

A script has one of these functions, looked for in this order:

- ``decodeUplink({bytes, fPort, recvTime, variables})``, which returns ``{data, warnings, errors}`` (TS013);
- ``Decode(fPort, bytes, variables)``, which returns the data (ChirpStack 3);
- ``Decoder(bytes, port)``, which returns the data (The Things Network 2).

``bytes`` is an array of numbers, ``fPort`` the telegram's format, ``variables`` the sensor's
``decoderParameters``. The data become readings by these rules:

- an object in an object gives names joined by dots, an array its positions: ``{a: {b: [7]}}`` is ``a.b.0``;
- ``{value, unit}`` and nothing else is one value with its unit;
- null and undefined give no reading; a Date becomes text;
- a name of the table of quantities is changed to the table's spelling and unit.

A comment in the script may give more facts as JSON: its ``typeEui``, its title, and examples
(:class:`bssci.decoders.examples.Example`)::

    /* decoder {"typeEui": "70B3D59CD0000095", "title": "Vendor Meter 5",
                "examples": [{"payload": "00D7", "readings": {"temperature": 21.5}}]} */

A script has the reading part of Node's ``Buffer``, but no files, no network and no timers. It must not rely
on its global variables from one payload to the next. Its bounds are :class:`ScriptLimits`. An engine inside
the process is no sandbox against an attacker: scripts come from administrators only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from importlib import import_module
from importlib.resources import files
from typing import Any

import msgspec
from zope.interface import implementer

from bssci.decoders.commented_json import DefinitionError, parse
from bssci.decoders.examples import Example, read_examples
from bssci.decoders.interfaces import DecodeError, IDecoder, Payload
from bssci.decoders.quantities import MAX_NAME, MAX_TEXT, QuantityRule, rules_for
from bssci.model import EUI, Reading, parse_eui

INSTALL = "scripts need the extra: pip install 'bssci[scripts]'"
MAX_SOURCE = 1_000_000
"""characters of a script, at most"""
CALLS_OF_ONE_ENGINE = 10_000
"""calls after which an engine is replaced, so that leftovers of a script do not accumulate"""
MAX_SHAPES = 200
"""sets of names and units of a script whose rules are remembered"""
_HARNESS = files("bssci.decoders").joinpath("harness.js").read_text("utf-8")
_BUFFER = files("bssci.decoders").joinpath("buffer.js").read_text("utf-8")
_PLACE = re.compile(r"<input>:(\d+):(\d+)")
_REASON_WITH_LINE = re.compile(r"line (\d+): (.*)")
_HEAD = re.compile(r"/\*[\s*]*decoder\s*(?=\{)")
_OWN_NAME = re.compile(r"[^\x00-\x1f\x7f]+")


class ScriptLimits(msgspec.Struct, frozen=True):
    """Limits of one decoding: time, memory, readings."""

    seconds: float = 0.1
    """CPU time of the process; a caller that runs scripts beside others also limits the time on the clock"""
    memory: int = 16 << 20
    """bytes of memory that a script may use"""
    stack: int = 256 << 10
    """bytes of a script's stack"""


LIMITS = ScriptLimits()


class Script(msgspec.Struct, frozen=True):
    """Result of one decoding by a script."""

    readings: list[Reading]
    warnings: tuple[str, ...] = ()


class ScriptJob(msgspec.Struct, frozen=True):
    """One run of a script, in an engine of its own."""

    source: str
    limits: ScriptLimits
    payload: Payload | None = None
    """payload that it decodes; None: it is only loaded"""
    parameters: Mapping[str, Any] = {}

    def run(self) -> Script:
        """Return the result, without readings if the script is only loaded; raise what the engine raises."""
        engine = ScriptEngine(self.source, self.limits)
        return Script([]) if self.payload is None else engine.decode(self.payload, self.parameters)


RunScript = Callable[[ScriptJob], Script]
"""Does a job, as :meth:`ScriptJob.run` does; may raise DecodeError instead."""


class _Bounds(msgspec.Struct, frozen=True):
    """Bounds of the harness on a script's result."""

    name: int = MAX_NAME
    text: int = MAX_TEXT
    readings: int = 500
    depth: int = 8
    notes: int = 10


class _Answer(msgspec.Struct):
    """Answer of the harness to one decoding."""

    code: str
    text: str = ""
    at: str = ""
    stack: str = ""
    errors: list[str] = []
    readings: list[list[float | int | bool | str]] = []
    """name, value, and unit where there is one"""
    warnings: list[str] = []


class ScriptEngine:
    """A script, loaded, in an engine of its own. Belongs to the thread that made it."""

    def __init__(self, source: str, limits: ScriptLimits) -> None:
        """Load the script.

        :raises DecodeError: it cannot be loaded.
        :raises ValueError: the extra is not installed.
        """
        quickjs = _quickjs()
        self._rules: dict[tuple[tuple[object, object], ...], list[QuantityRule]] = {}
        self._stack_overflow: type[Exception] = quickjs.StackOverflow
        self._error: type[Exception] = quickjs.JSException
        self._context = quickjs.Context()
        self._context.set_memory_limit(limits.memory)
        self._context.set_max_stack_size(limits.stack)
        self._context.set_time_limit(limits.seconds)
        harness = self._context.eval(_HARNESS)
        load = self._context.eval("(harness, name) => harness[name]")
        self._decode: Callable[[str], str] = load(harness, "decode")
        if "Buffer" in source:
            self._context.eval(_BUFFER)
        self._refuse(self._call(load(harness, "load"), source, _BOUNDS))

    def decode(self, payload: Payload, parameters: Mapping[str, Any]) -> Script:
        """Run the script on a payload.

        :raises DecodeError: the script failed, or exceeded a bound.
        """
        question = {
            "bytes": list(payload.data),
            "fPort": payload.format,
            "at": payload.received_at * 1000,
            "variables": parameters,
        }
        answer = self._call(self._decode, msgspec.json.encode(question).decode())
        self._refuse(answer)
        return Script(self._readings(answer.readings), tuple(answer.warnings))

    def _readings(self, given: list[list[float | int | bool | str]]) -> list[Reading]:
        fields = tuple([(one[0], one[2] if len(one) > 2 else None) for one in given])
        rules = self._rules.get(fields)
        if rules is None:
            if len(self._rules) >= MAX_SHAPES:
                self._rules.clear()
            rules = self._rules[fields] = rules_for([_field(name, unit) for name, unit in fields])
        found = {how.name: how.reading(one[1]) for one, how in zip(given, rules, strict=True)}
        return list(found.values())

    def _call(self, function: Callable[..., str], *arguments: str) -> _Answer:
        try:
            return msgspec.json.decode(function(*arguments), type=_Answer)
        except self._stack_overflow:
            raise DecodeError("stack_overflow", "the script calls itself too deeply") from None
        except self._error as error:
            raise _ended(str(error)) from None
        except MemoryError:
            raise _ended("out of memory") from None
        except (msgspec.DecodeError, UnicodeError):
            raise DecodeError("bad_text", "a text holds half a surrogate pair") from None

    @staticmethod
    def _refuse(answer: _Answer) -> None:
        if not answer.code:
            return
        if answer.code == "reported":
            raise DecodeError("reported", "; ".join(answer.errors)[:MAX_TEXT])
        text = answer.text or _REFUSALS.get(answer.code, "it threw something that is not an Error")
        if "call stack size exceeded" in text:
            raise DecodeError("stack_overflow", "the script calls itself too deeply")
        if text == "out of memory":
            raise _ended(text)
        place = _PLACE.search(answer.stack)
        if place is not None:
            text = f"line {place[1]}: {text}"
        elif answer.at:
            text = f"{answer.at[:MAX_NAME]}: {text}"
        raise DecodeError(answer.code, text)


class Head(msgspec.Struct, frozen=True):
    """Facts that a script's comment states about the script."""

    type_eui: EUI | None = None
    title: str = ""
    examples: tuple[Example, ...] = ()


NO_HEAD = Head()


@implementer(IDecoder)
class ScriptDecoder:
    """A script as a decoder.

    :param run: runs the script where :meth:`engine` does not: the limit of CPU time does not reach into some
        functions of the engine, such as the reversal of an array of 2^53 elements.
    :ivar type_eui: type of the sensors that it is for, if the script states it.
    :ivar title: for people.
    :ivar examples: examples in the script's comment.
    """

    def __init__(
        self,
        name: str,
        source: str,
        limits: ScriptLimits = LIMITS,
        head: Head = NO_HEAD,
        run: RunScript = ScriptJob.run,
    ) -> None:
        self._run = run
        self.name = name
        self.source = source
        self.limits = limits
        self.version = sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        self.type_eui = head.type_eui
        self.title = head.title
        self.examples = head.examples

    def matches(self, payload: Payload) -> bool:
        """Return whether the sensor's ``typeEui`` is the script's."""
        return self.type_eui is not None and payload.type_eui == self.type_eui and payload.kind == "uplink"

    def engine(self) -> ScriptEngine:
        """Load the script into a new engine; see :class:`ScriptEngine`."""
        return ScriptEngine(self.source, self.limits)

    def decode(self, payload: Payload, parameters: Mapping[str, Any]) -> list[Reading]:
        """Run the script in a new engine: slow, and from any thread."""
        return self._run(ScriptJob(self.source, self.limits, payload, parameters)).readings

    def check(self) -> None:
        """Load the script once, as :meth:`decode` runs it.

        :raises DecodeError: it cannot be loaded.
        """
        self._run(ScriptJob(self.source, self.limits))


def compile_script(
    name: str, source: str, limits: ScriptLimits = LIMITS, run: RunScript = ScriptJob.run
) -> ScriptDecoder:
    """Make a decoder from a script, and load it once to see that this works.

    :param run: see :class:`ScriptDecoder`.
    :raises ValueError: what is wrong, or what to install, in one line; DefinitionError if the line is known.
    """
    if len(source) > MAX_SOURCE:
        raise ValueError(f"more than {MAX_SOURCE} characters")
    decoder = ScriptDecoder(name, source, limits, read_head(source), run)
    try:
        decoder.check()
    except DecodeError as error:
        found = _REASON_WITH_LINE.fullmatch(error.message)
        if found is None:
            raise ValueError(error.message) from error
        raise DefinitionError(found[2], int(found[1])) from error
    return decoder


def read_head(source: str) -> Head:
    """Read the comment that says what a script is for.

    :raises DefinitionError: it is wrong.
    """
    begin, text = _head(source)
    if not text:
        return NO_HEAD
    try:
        root = parse(text)
        title, type_eui = root.get("title"), root.get("typeEui")
        eui = None
        if type_eui is not None:
            try:
                eui = parse_eui(type_eui.text())
            except ValueError as error:
                raise type_eui.error("must be 16 hexadecimal digits") from error
        return Head(eui, "" if title is None else title.text(), read_examples(root.get("examples")))
    except DefinitionError as error:
        raise DefinitionError(error.reason, error.line + source.count("\n", 0, begin)) from error


def _head(source: str) -> tuple[int, str]:
    """Return the object in the first comment that has one, and where it begins; empty if there is none."""
    end = 0
    # Each comment is scanned once, to its end: a source may contain many openings of comments.
    while (found := _HEAD.search(source, end)) is not None:
        end = source.find("*/", found.end())
        if end < 0:
            break
        text = source[found.end() : end].rstrip(" \t\r\n\f\v*")
        if text.endswith("}"):
            return found.end(), text
    return 0, ""


def _quickjs() -> Any:
    try:
        module = import_module("quickjs")
    except ImportError:
        raise ValueError(INSTALL) from None
    # the older package of the same module name hangs forever in a regular expression
    if module.Context().eval("typeof Error.captureStackTrace") != "function":
        raise ValueError(f"remove the package quickjs (pip uninstall quickjs); {INSTALL}")
    return module


def _ended(text: str) -> DecodeError:
    if "interrupted" in text:
        return DecodeError("timeout", "it takes too long")
    return DecodeError("out_of_memory", "it uses too much memory")


def _field(name: object, unit: object) -> tuple[str, str | None]:
    text = str(name)
    if len(text) > MAX_NAME or _OWN_NAME.fullmatch(text) is None:
        raise DecodeError("bad_name", f"{text[:MAX_NAME]!r} is not a valid name of a reading")
    return text, None if unit is None else str(unit)


_BOUNDS = msgspec.json.encode(_Bounds()).decode()
_REFUSALS = {"too_many_readings": f"more than {_Bounds().readings} values"}
