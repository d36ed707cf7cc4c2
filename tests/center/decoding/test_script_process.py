"""Runs of scripts in processes of their own."""

from __future__ import annotations

import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from bssci.center.decoding import script_process
from bssci.center.decoding.script_process import run_apart
from bssci.decoders.interfaces import DecodeError, Payload
from bssci.decoders.scripts import LIMITS, Script, ScriptJob
from bssci.model import Reading

pytest.importorskip("quickjs", reason="needs the extra scripts")
PAYLOAD = Payload(
    data=b"\7", kind="uplink", device="mioty:70B3D56770110001", received_at=1.0, envelope={"a": []}
)
SOURCE = "function Decoder(bytes, port) { if (bytes[0] > 9) throw new Error('no'); return {own: bytes[0]}; }"
ENDLESS = "Array.prototype.reverse.call({length: 2 ** 53 - 1});"
"""the engine does not look at its limit of CPU time meanwhile"""
Limits = dict[int, tuple[int, int]]
"""soft and hard limits of a process"""


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[Limits]:
    """The process's work is done in this one, and the limits are those that it sets for itself."""
    limits: Limits = {}

    def run(command: list[str], input: bytes, **options: Any) -> Any:
        given, taken = BytesIO(input), BytesIO()
        monkeypatch.setattr(
            script_process,
            "sys",
            SimpleNamespace(
                stdin=SimpleNamespace(buffer=given), stdout=SimpleNamespace(buffer=taken), executable="python"
            ),
        )
        monkeypatch.setattr(script_process.resource, "setrlimit", limits.__setitem__)
        script_process.main()
        return SimpleNamespace(stdout=taken.getvalue(), returncode=0)

    monkeypatch.setattr(script_process.subprocess, "run", run)
    yield limits


def test_the_result_is_that_of_the_job(limits: Limits) -> None:
    assert run_apart(ScriptJob(SOURCE, LIMITS), 5.0) == Script([])
    assert run_apart(ScriptJob(SOURCE, LIMITS, PAYLOAD), 5.0) == Script([Reading("own", 7)])


def test_errors_are_those_of_the_job(limits: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    payload = msgspec.structs.replace(PAYLOAD, data=b"\12")
    with pytest.raises(DecodeError, match="line 1: no"):
        run_apart(ScriptJob(SOURCE, LIMITS, payload), 5.0)
    monkeypatch.setattr(ScriptJob, "run", lambda job: (_ for _ in ()).throw(ValueError("not installed")))
    with pytest.raises(ValueError, match="not installed"):
        run_apart(ScriptJob(SOURCE, LIMITS), 5.0)


def test_no_core_file_is_left_of_it_which_would_hold_the_secrets_in_its_environment(limits: Limits) -> None:
    run_apart(ScriptJob(SOURCE, LIMITS), 5.0)
    assert limits[resource.RLIMIT_CORE] == (0, 0)
    assert 0 < limits[resource.RLIMIT_CPU][0] < limits[resource.RLIMIT_CPU][1]


def _late(*arguments: Any, **options: Any) -> Any:
    raise subprocess.TimeoutExpired("python", 35.0)


def _endless(*arguments: Any, **options: Any) -> Any:
    return SimpleNamespace(stdout=b"", returncode=-signal.SIGXCPU)


def _away(*arguments: Any, **options: Any) -> Any:
    raise OSError("no processes left")


def _killed(*arguments: Any, **options: Any) -> Any:
    return SimpleNamespace(stdout=b"", returncode=-9)


@pytest.mark.parametrize(
    ("run", "code", "message"),
    [
        (_late, "timeout", "it does not come back within 5 s"),
        (_endless, "timeout", "it does not come back within 2 s of CPU time"),
        (_away, "fault", "no processes left"),
        (_killed, "fault", "status -9"),
    ],
)
def test_a_process_that_gives_no_answer(
    monkeypatch: pytest.MonkeyPatch, run: Callable[..., Any], code: str, message: str
) -> None:
    monkeypatch.setattr(script_process.subprocess, "run", run)
    with pytest.raises(DecodeError, match=message) as caught:
        run_apart(ScriptJob(SOURCE, LIMITS), 5.0)
    assert caught.value.code == code


@pytest.mark.parts
def test_a_real_process_comes_back_or_is_ended() -> None:
    assert run_apart(ScriptJob(SOURCE, LIMITS, PAYLOAD), 5.0) == Script([Reading("own", 7)])
    with pytest.raises(DecodeError, match="it does not come back"):
        run_apart(ScriptJob(ENDLESS, LIMITS), 5.0)
