"""endpoints.json as a file: read with every fault named, written whole with the previous version kept."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from bssci.model import EUI, Sensor, SensorError, parse_eui, parse_sensor, sensor_to_json
from bssci.system.files import write_atomically

_TEXT_OR_CONSTANT = re.compile(r'"(?:\\.|[^"\\])*"|(?P<constant>NaN|-?Infinity)')


class EndpointsError(ValueError):
    """A sensor file cannot be used; one line that names the file and the first fault.

    ``problems`` lists every fault, one line each, without the file's name.
    """

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{path}: {problems[0]}{more}")
        self.path = path
        self.problems = list(problems)


class EndpointsChangedError(Exception):
    """A sensor file holds something else than expected; it was not written."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path.name} was changed by hand; reload it (SIGHUP or POST /api/sensors/reload) "
            "or put it back, then try again"
        )


def read(path: Path) -> list[Sensor]:
    """The sensors of a file, in its order. Entries are counted from 1 in messages.

    :raises EndpointsError: if it cannot be read, is no JSON array, or has a wrong or repeated entry.
    """
    return read_version(path)[0]


def read_version(path: Path) -> tuple[list[Sensor], bytes]:
    """The same, and which version of the file that is; see :func:`write`."""
    try:
        content = path.read_bytes()
        text = content.decode("utf-8")
    except FileNotFoundError:
        raise EndpointsError(path, ["does not exist: run `bssci init`, or set SENSOR_CONFIG_FILE"]) from None
    except OSError as error:
        raise EndpointsError(path, [f"cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise EndpointsError(path, [f"is not UTF-8 (byte {error.start + 1}): save it as UTF-8"]) from None
    return _sensors(path, _entries(path, text)), _version(content)


def write(path: Path, sensors: Iterable[Sensor], replacing: bytes | None = None) -> bytes:
    """Replace the file's content atomically, mode 0600; the previous version stays beside it, as ``.bak``.

    One sensor a line, so that a version control system shows what changed. If ``path`` is a symbolic
    link, the file that it points to is replaced and the backup lies beside that file.

    :param replacing: the only version of the file that may be replaced; None for any, or for no file.
    :return: the version that is there now.
    :raises EndpointsChangedError: if another version is there, or none; it is untouched.
    :raises OSError: if it cannot be written; the old content is untouched.
    """
    lines = ",\n".join(
        json.dumps(sensor_to_json(sensor), ensure_ascii=False, allow_nan=False) for sensor in sensors
    )
    content = (f"[\n{lines}\n]\n" if lines else "[]\n").encode()
    target = Path(os.path.realpath(path))
    previous = target.read_bytes() if target.exists() else None
    if replacing is not None and (previous is None or _version(previous) != replacing):
        raise EndpointsChangedError(path)
    if previous is not None:
        write_atomically(target.with_name(f"{target.name}.bak"), previous)
    write_atomically(target, content)
    return _version(content)


def _version(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _entries(path: Path, text: str) -> list[Any]:
    if text.startswith("\ufeff"):
        raise EndpointsError(path, ["starts with a byte order mark: save it as UTF-8 without one"])

    def refuse(constant: str) -> NoReturn:
        places = (match for match in _TEXT_OR_CONSTANT.finditer(text) if match["constant"])
        raise json.JSONDecodeError(f"{constant} is not a JSON value", text, next(places).start())

    try:
        entries = json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise EndpointsError(path, [f"is not valid JSON at {place}: {error.msg}"]) from None
    except RecursionError:
        raise EndpointsError(path, ["is not a list of sensors: nested too deeply"]) from None
    if not isinstance(entries, list):
        raise EndpointsError(path, ["must be a JSON array of sensors, [ ... ]; [] for none"])
    return entries


def _sensors(path: Path, entries: list[Any]) -> list[Sensor]:
    sensors: list[Sensor] = []
    problems: list[str] = []
    first: dict[EUI, int] = {}
    for number, entry in enumerate(entries, 1):
        try:
            sensor = parse_sensor(entry)
        except SensorError as error:
            problems.append(f"entry {number}{_named(entry)}: {error}")
            continue
        earlier = first.setdefault(sensor.eui, number)
        if earlier != number:
            problems.append(f"entry {number} ({sensor.eui}): eui: is already in entry {earlier}")
        sensors.append(sensor)
    if problems:
        raise EndpointsError(path, problems)
    return sensors


def _named(entry: object) -> str:
    try:
        return f" ({parse_eui(entry['eui'])})" if isinstance(entry, dict) else ""
    except (KeyError, AttributeError, ValueError):
        return ""
