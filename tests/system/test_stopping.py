"""The end of the process, whatever hangs."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from bssci.system.stopping import Deadline

HANGS = """
import threading, time
from bssci.system.stopping import Deadline
threading.Thread(target=time.sleep, args=(60,)).start()
Deadline({seconds}, {last}, lambda: 3).arm()
{hold}
"""


def run(seconds: float, last: int, hold: str = "") -> tuple[int, float]:
    begin = time.monotonic()
    code = HANGS.format(seconds=seconds, last=last, hold=hold)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30, check=False)
    return done.returncode, time.monotonic() - begin


@pytest.mark.parts
def test_a_thread_that_hangs_does_not_hold_the_process() -> None:
    status, seconds = run(0.2, 20)
    assert status == 3 and seconds < 15


@pytest.mark.parts
def test_not_even_a_python_that_gets_no_turn_does() -> None:
    # A sleep that holds the interpreter's lock, as a regular expression would.
    hold = "import ctypes; ctypes.PyDLL(None).sleep(60)"
    status, seconds = run(0.2, 1, hold)
    assert status == -14 and seconds < 15


def test_the_status_is_asked_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    statuses: list[int] = []

    def leave(status: int) -> None:
        statuses.append(status)
        ended.set()

    monkeypatch.setattr("signal.alarm", lambda seconds: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    Deadline(0.0, 60, lambda: 7, leave).arm()
    assert ended.wait(10)
    assert statuses == [7]
