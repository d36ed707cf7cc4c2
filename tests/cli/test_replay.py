"""``bssci replay``: what is asked for, what is shown, and how it ends."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bssci.cli import main
from bssci.cli.replay import moment
from bssci.cli.service_api import RefusedError, ServiceUnavailableError

ARGUMENTS = ["replay", "--sink", "postgres", "--from", "100", "--to", "2026-05-01T00:00:00+02:00"]


def stands(state: str, progress: float, trouble: str = "") -> dict[str, Any]:
    delivered = round(progress * 200)
    return {
        "id": 3,
        "sink": "postgres",
        "state": state,
        "progress": progress,
        "delivered": delivered,
        "trouble": trouble,
    }


class Service:
    """Answers with what it was given, one after the other; what can be raised is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Any]] = []

    def ask(self, method: str, path: str, body: object = None) -> Any:
        self.asked.append((method, path, body))
        answer = self.answers.pop(0)
        if callable(answer):
            answer = answer()
        if isinstance(answer, BaseException):
            raise answer
        return {"replays": [answer]} if method == "GET" else {"replay": answer}


def serve(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> Service:
    service = Service(*answers)

    @contextmanager
    def given(*_: Any) -> Iterator[Service]:
        yield service

    monkeypatch.setattr("bssci.cli.replay.service_api", given)
    return service


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bssci.cli.replay.time.sleep", lambda seconds: None)


def test_its_progress_is_shown_until_it_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service = serve(
        monkeypatch,
        stands("waiting", 0),
        stands("running", 0.5),
        stands("running", 0.5),
        stands("running", 0.5, "the server is away"),
        stands("done", 1),
    )
    assert main([*ARGUMENTS, "--device", "70B3D56770110001", "--device", "ble:AABBCCDDEEFF"]) == 0
    asked = {
        "sink": "postgres",
        "from": 100.0,
        "to": 1_777_586_400.0,
        "devices": ["70B3D56770110001", "ble:AABBCCDDEEFF"],
        "publish": False,
    }
    assert service.asked[0] == ("POST", "/api/replays", asked)
    assert capsys.readouterr().out.splitlines() == [
        "replay 3 into postgres begun",
        "waiting, 0%, 0 delivered",
        "running, 50%, 100 delivered",
        "running, 50%, 100 delivered: the server is away",
        "done, 100%, 200 delivered",
    ]


def test_nothing_is_waited_for_when_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    service = serve(monkeypatch, stands("waiting", 0))
    assert main([*ARGUMENTS, "--no-wait", "--publish"]) == 0
    assert len(service.asked) == 1 and service.asked[0][2]["publish"] is True


def test_ctrl_c_cancels_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    service = serve(monkeypatch, stands("running", 0.1), KeyboardInterrupt(), stands("cancelled", 0.25))
    assert main(ARGUMENTS) == 130
    assert service.asked[-1][:2] == ("DELETE", "/api/replays/3")
    assert capsys.readouterr().out.splitlines()[-1] == "cancelled, 25%, 50 delivered"


def test_ctrl_c_at_its_end_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    over = RefusedError(409, "replay 3 is over: done")
    serve(monkeypatch, stands("running", 0.9), KeyboardInterrupt(), over, stands("done", 1))
    assert main(ARGUMENTS) == 0


def test_a_service_that_starts_anew_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    away = ServiceUnavailableError("no answer")
    serve(monkeypatch, stands("running", 0.1), away, away, stands("done", 1))
    assert main(ARGUMENTS) == 0
    monkeypatch.setattr("bssci.cli.replay.AWAY_TIME", -1.0)
    serve(monkeypatch, stands("running", 0.1), away)
    assert main(ARGUMENTS) == 1
    said = capsys.readouterr().err
    assert said == "error: no answer; replay 3 continues when the service runs again\n"


def test_a_command_that_is_ended_leaves_the_replay_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ended() -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGHUP)
        return stands("running", 0.2)

    before = signal.getsignal(signal.SIGHUP)
    service = serve(monkeypatch, stands("running", 0.1), ended)
    with pytest.raises(SystemExit) as raised:
        main(ARGUMENTS)
    assert raised.value.code == 128 + signal.SIGHUP and len(service.asked) == 2
    assert "replay 3 continues in the service" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGHUP) is before


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (403, "error: not allowed: a token with the role admin is needed\n"),
        (422, "error: not allowed\n"),
    ],
)
def test_what_the_service_refuses_is_one_line(
    status: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(monkeypatch, RefusedError(status, "not allowed"))
    assert main(ARGUMENTS) == 1
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("time", ["yesterday", "nan", "inf"])
def test_a_time_that_is_none_is_refused_before_anything_is_asked(
    time: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service = serve(monkeypatch)
    assert main(["replay", "--sink", "postgres", "--from", time, "--to", "now"]) == 1
    assert not service.asked
    assert capsys.readouterr().err == f"error: --from {time}: must be a time, such as 2026-05-01T00:00:00Z\n"


def test_a_time_without_an_offset_is_in_the_zone_of_the_settings() -> None:
    assert moment("--from", "2026-05-01", "Europe/Berlin") == 1_777_586_400.0
    assert moment("--from", "2026-05-01T00:00:00Z", "Europe/Berlin") == 1_777_593_600.0
    assert moment("--from", "12.5", "UTC") == 12.5


def test_a_service_that_does_not_run_is_said_to_be_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(ARGUMENTS) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: the service is not running: nothing uses STATE_DIR /"), json.dumps(said)
