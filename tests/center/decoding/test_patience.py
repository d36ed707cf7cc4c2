"""Scripts that do not come back are given up, and few of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from bssci.center.decoding import patience
from bssci.center.decoding.folder import read_folder
from bssci.center.decoding.patience import MAX_GIVEN_UP, WATCHED_KINDS, in_time
from bssci.decoders.interfaces import DecodeError
from bssci.decoders.scripts import ScriptDecoder
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


def test_what_comes_back_in_time_is_returned_or_raised() -> None:
    assert in_time(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        in_time(lambda: 1 // 0)


def test_few_are_left_running(held: Event) -> None:
    for _ in range(MAX_GIVEN_UP):
        with pytest.raises(DecodeError, match="it does not come back within") as caught:
            in_time(held.wait)
        assert caught.value.code == "timeout"
    with pytest.raises(DecodeError, match="3 scripts have not come back: restart the service"):
        in_time(held.wait)
    thread = next(iter(patience._given_up))
    held.set()
    thread.join()
    assert in_time(lambda: 7) == 7


def test_another_thread_may_give_up_a_script_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up: set[Thread] = set()
    monkeypatch.setattr(patience, "_given_up", given_up)

    class Ended(Thread):
        def is_alive(self) -> bool:
            given_up.add(Thread())
            return False

    given_up.update([Ended(), Ended()])
    assert in_time(lambda: 7) == 7


def test_a_file_whose_script_hangs_costs_no_other(
    held: Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptDecoder, "engine", lambda decoder: held.wait())
    (tmp_path / "endless.js").write_text("function Decoder(bytes, port) { return {}; }")
    (tmp_path / "good.json").write_text(BLUEPRINT)
    _, library = read_folder(tmp_path, WATCHED_KINDS)
    assert list(library.decoders) == ["good"]
    [problem] = library.problems
    assert str(problem).startswith("endless.js: it does not come back within")
