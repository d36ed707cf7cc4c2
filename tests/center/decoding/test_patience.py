"""Scripts that do not come back are given up, and few of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from bssci.center.decoding import patience
from bssci.center.decoding.folder import read_folder
from bssci.center.decoding.patience import MAX_GIVEN_UP, WATCHED_KINDS, in_time
from bssci.decoders.interfaces import DecodeError
from bssci.decoders.scripts import LIMITS, Script, ScriptJob
from bssci.model import Reading
from tests.center.decoding.test_decoding import BLUEPRINT


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """An event that whatever hangs waits for, less patiently than a service waits for it."""
    held = Event()
    monkeypatch.setattr(patience, "PATIENCE", 0.01)
    yield held
    held.set()
    for thread in set(patience._given_up):
        thread.join()


JOB = ScriptJob("function Decoder(bytes, port) { return {own: 7}; }", LIMITS)


class Job(ScriptJob, frozen=True):
    """A job whose run is another function."""

    does: Callable[[], object] = int

    def run(self) -> Script:
        self.does()
        return Script([])


def job(does: Callable[[], object]) -> ScriptJob:
    return Job("", LIMITS, does=does)


def test_what_comes_back_in_time_is_returned_or_raised() -> None:
    assert in_time(JOB) == Script([])
    with pytest.raises(ZeroDivisionError):
        in_time(job(lambda: 1 // 0))


def test_few_are_left_running_and_others_go_on_elsewhere(
    held: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere: list[tuple[ScriptJob, float]] = []

    def run_apart(job: ScriptJob, seconds: float) -> Script:
        elsewhere.append((job, seconds))
        return Script([Reading("own", 7)])

    monkeypatch.setattr(patience, "run_apart", run_apart)
    for _ in range(MAX_GIVEN_UP):
        with pytest.raises(DecodeError, match="it does not come back within") as caught:
            in_time(job(held.wait))
        assert caught.value.code == "timeout"
    assert elsewhere == []
    assert in_time(JOB).readings == [Reading("own", 7)]
    assert elsewhere == [(JOB, patience.PATIENCE)]
    thread = next(iter(patience._given_up))
    held.set()
    thread.join()
    monkeypatch.setattr(patience, "PATIENCE", 60.0)
    assert in_time(JOB) == Script([]) and len(elsewhere) == 1


def test_another_thread_may_give_up_a_script_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up: set[Thread] = set()
    monkeypatch.setattr(patience, "_given_up", given_up)

    class Ended(Thread):
        def is_alive(self) -> bool:
            given_up.add(Thread())
            return False

    given_up.update([Ended(), Ended()])
    assert in_time(JOB) == Script([])


def test_a_file_whose_script_hangs_costs_no_other(
    held: Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptJob, "run", lambda job: held.wait())
    (tmp_path / "endless.js").write_text("function Decoder(bytes, port) { return {}; }")
    (tmp_path / "good.json").write_text(BLUEPRINT)
    _, library = read_folder(tmp_path, WATCHED_KINDS)
    assert list(library.decoders) == ["good"]
    [problem] = library.problems
    assert str(problem).startswith("endless.js: it does not come back within")
