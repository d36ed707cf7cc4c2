"""The file endpoints.json: reading with all faults reported, and atomic writing with a backup."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from bssci.model import EUI, Sensor, SensorError, parse_eui, parse_sensor, sensor_faults, sensor_to_json
from bssci.model.strict_json import array_items
from bssci.system.files import NO_RENAME, write_atomically

_SPACE = re.compile(r"[\s,]*")


class EndpointsError(ValueError):
    """A sensor file cannot be read; the message is one line with the file and the first fault.

    :ivar problems: all faults, one line each, without the file's name.
    """

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{path}: {problems[0]}{more}")
        self.path = path
        self.problems = list(problems)


class EndpointsChangedError(Exception):
    """A sensor file has been changed by others; it was not written."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path.name} was changed by hand; reload it (SIGHUP or POST /api/sensors/reload) "
            "or put it back, then try again"
        )


@dataclass(frozen=True)
class WrongEntry:
    """An invalid entry, which is not used but stays in the file as it is."""

    number: int
    """position in the file, from 1"""
    eui: EUI | None
    """EUI of the entry, if readable"""
    problem: str
    """fields at fault and what is allowed"""
    text: str = field(repr=False)
    """text of the entry in the file; may hold keys"""

    def __str__(self) -> str:
        return f"entry {self.number}{f' ({self.eui})' if self.eui else ''}: {self.problem}"


class EndpointsFile(NamedTuple):
    """Contents of a sensor file."""

    sensors: list[Sensor]
    """valid sensors in the order of the file"""
    wrong: tuple[WrongEntry, ...]
    version: bytes
    """digest of the content; see :func:`write`"""


def read(path: Path) -> list[Sensor]:
    """Return the valid sensors of a file; raises as :func:`read_file`."""
    return read_file(path).sensors


def read_file(path: Path) -> EndpointsFile:
    """Read a file. Entries are counted from 1 in messages; a byte order mark in front is skipped.

    :raises EndpointsError: it cannot be read, or is not a JSON array.
    """
    content = _content(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EndpointsError(path, [f"is not UTF-8 (byte {error.start + 1}): save it as UTF-8"]) from None
    sensors, wrong = _sensors(_entries(path, text), text)
    return EndpointsFile(sensors, wrong, _version(content))


def read_version(path: Path) -> bytes:
    """Return the version of the file without parsing it; raises as :func:`read_file` if it is unreadable."""
    return _version(_content(path))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise EndpointsError(
            path, ["does not exist: restore it, set SENSOR_CONFIG_FILE, or run `bssci init` for an empty one"]
        ) from None
    except OSError as error:
        raise EndpointsError(path, [f"cannot be read: {error.strerror}"]) from None


def write(
    path: Path,
    sensors: Iterable[Sensor],
    replacing: bytes | None = None,
    wrong: Iterable[WrongEntry] = (),
) -> bytes:
    """Replace the file's content atomically, keeping the previous version beside it as ``.bak``.

    There is one sensor on each line, so that version control shows what changed. Owner, group and mode are
    kept; a new file gets mode 0600. If ``path`` is a symbolic link, the file that it points to is replaced,
    and the backup is beside that file.

    :param replacing: the version of the file that may be replaced; None for any, or for no file.
    :param wrong: invalid entries, to be written as they are at their position.
    :return: the new version.
    :raises EndpointsChangedError: the file has another version, or does not exist; it is untouched.
    :raises OSError: it cannot be written; see :func:`bssci.system.files.write_atomically`.
    """
    lines = [json.dumps(sensor_to_json(sensor), ensure_ascii=False, allow_nan=False) for sensor in sensors]
    for entry in sorted(wrong, key=lambda each: each.number):
        lines.insert(entry.number - 1, entry.text)
    text = ",\n".join(lines)
    content = (f"[\n{text}\n]\n" if text else "[]\n").encode()
    target = Path(os.path.realpath(path))
    previous = target.read_bytes() if target.exists() else None
    if replacing is not None and (previous is None or _version(previous) != replacing):
        raise EndpointsChangedError(path)
    if previous is not None:
        _keep(target, previous)
    write_atomically(target, content, private=False)
    return _version(content)


def _keep(target: Path, previous: bytes) -> None:
    """Write the previous version beside the file, unless the directory does not allow other files."""
    try:
        write_atomically(target.with_name(f"{target.name}.bak"), previous)
    except OSError as error:
        if error.errno not in NO_RENAME:
            raise


def _version(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _entries(path: Path, text: str) -> Iterator[Any]:
    """Yield the entries one by one.

    :raises EndpointsError: the text is no JSON array.
    """
    try:
        yield from array_items(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise EndpointsError(path, [f"is not valid JSON at {place}: {error.msg}"]) from None
    except ValueError as error:  # a number with thousands of digits
        raise EndpointsError(path, [f"is not a list of sensors: {error}"]) from None
    except RecursionError:
        raise EndpointsError(path, ["is not a list of sensors: nested too deeply"]) from None
    except TypeError:
        raise EndpointsError(path, ["must be a JSON array of sensors, [ ... ]; [] for none"]) from None


def _sensors(entries: Iterable[Any], text: str) -> tuple[list[Sensor], tuple[WrongEntry, ...]]:
    """Return the valid and the invalid entries.

    Each entry is freed before the next is parsed; the peak of memory would otherwise stay with the process.
    """
    sensors: list[Sensor] = []
    problems: dict[int, tuple[EUI | None, str]] = {}
    first: dict[EUI, int] = {}
    for number, entry in enumerate(entries, 1):
        try:
            sensor = parse_sensor(entry)
        except SensorError as error:
            problems[number] = (_eui_of(entry), _problem(entry, error))
            continue
        earlier = first.setdefault(sensor.eui, number)
        if earlier == number:
            sensors.append(sensor)
        else:
            problems[number] = (sensor.eui, f"eui: is already in entry {earlier}")
    texts = _texts(text, problems)
    return sensors, tuple(WrongEntry(number, *problem, texts[number]) for number, problem in problems.items())


def _problem(entry: object, error: SensorError) -> str:
    faults = sensor_faults(entry) if isinstance(entry, dict) else {error.field: error.message}
    return "; ".join(f"{field}: {message}" for field, message in faults.items())


def _texts(text: str, numbers: Collection[int]) -> dict[int, str]:
    """Return the source texts of entries of a JSON array, by their number from 1."""
    found: dict[int, str] = {}
    decoder = json.JSONDecoder()
    place = text.index("[") + 1 if numbers else 0
    for number in range(1, max(numbers, default=0) + 1):
        begin = _SPACE.match(text, place).end()  # type: ignore[union-attr]
        _, end = decoder.raw_decode(text, begin)
        if number in numbers:
            found[number] = text[begin:end]
        place = _SPACE.match(text, end).end()  # type: ignore[union-attr]
    return found


def _eui_of(entry: object) -> EUI | None:
    try:
        return parse_eui(entry["eui"]) if isinstance(entry, dict) else None
    except (KeyError, AttributeError, ValueError):
        return None
