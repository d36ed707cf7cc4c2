"""A folder of decoders for the web admin in memory, and scripts that run at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.task import Clock

from bssci.center.decoding.decoders import Decoders
from bssci.center.decoding.slow import DecodingJob
from bssci.decoders import library
from bssci.model import EUI, Decoded, DecodeFailure, Sensor
from bssci.web.outside import Outside

OURS = Path(__file__).parents[2] / "decoders"
METER, CLIMATE, LEAK = "02B55C1000000001", "02B55C1000000002", "02B55C1000000003"
"""types of sensors that the decoders of the repository are for"""
ORDINARY = "00 00012D6F 0069 17 D2"
"""what a water meter sends: 77.167 m³"""


_compiled = cache(library.json_decoder)
"""one for all tests: compiling the same blueprints for each took a quarter of what a test of a page takes"""


@cache
def _texts() -> dict[str, str]:
    """Our decoders' files by their names."""
    return {path.name: path.read_text() for path in OURS.iterdir()}


class ScriptsAtOnce:
    """Runs scripts where it is asked, and remembers what it was asked."""

    resting = ()

    def __init__(self) -> None:
        self.asked: list[tuple[str, Sequence[DecodingJob]]] = []

    def decode(self, decoder: Any, requests: Sequence[DecodingJob]) -> Deferred[list[Decoded]]:
        self.asked.append((decoder.name, requests))
        label = f"{decoder.name}@{decoder.version}"
        answers = []
        for request in requests:
            try:
                script = decoder.engine().decode(request.payload, request.parameters)
                answers.append(Decoded(decoder=label, readings=tuple(script.readings)))
            except Exception as error:  # as a script's thread has it
                answers.append(Decoded(decoder=label, failure=DecodeFailure("fault", str(error))))
        return succeed(answers)

    def stop(self) -> Deferred[None]:
        return succeed(None)


def outside_with_decoders(directory: Path, installed: Sequence[Any] = (), ours: bool = True) -> Outside:
    """What the web admin is given of a service with decoders; the sensors are to be set by :func:`follow`."""
    directory.mkdir(exist_ok=True)
    for name, text in _texts().items() if ours else ():
        (directory / name).write_text(text)
    decoders = Decoders(
        Clock(),
        lambda call, *values: call(*values),
        maybeDeferred,
        directory,
        list(installed),
        [],
        lambda eui: None,
    )
    decoders.threads = ScriptsAtOnce()  # type: ignore[assignment]
    with patch.dict(library.KINDS, {".json": _compiled}):  # type: ignore[arg-type]
        decoders.load()
    return Outside(decoders=decoders)


def follow(decoders: Decoders | None, sensors: Any) -> None:
    """Have decoders know the sensors of a service center."""
    assert decoders is not None

    def sensor(eui: EUI) -> Sensor | None:
        found: Sensor | None = sensors.get(eui)
        return found

    decoders._sensor = sensor
