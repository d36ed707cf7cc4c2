"""Scripts that nobody watches, as when they are loaded or tried: each in a thread that is waited for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from threading import Thread
from typing import TypeVar

from bssci.decoders.interfaces import DecodeError
from bssci.decoders.library import KINDS, ReadFile
from bssci.decoders.scripts import compile_script

T = TypeVar("T")
PATIENCE = 5.0
"""s on the clock after which a script is given up"""
MAX_GIVEN_UP = 3
"""scripts given up that still run, at which no other is begun"""
_given_up: set[Thread] = set()


def in_time(run: Callable[[], T]) -> T:
    """Return what a function returns, or raise what it raises.

    :raises DecodeError: it does not come back; its thread is left behind, and runs on as long as it wants.
    """
    # A copy, as other threads come here, too.
    _given_up.difference_update([each for each in list(_given_up) if not each.is_alive()])
    if len(_given_up) >= MAX_GIVEN_UP:
        raise DecodeError("busy", f"{MAX_GIVEN_UP} scripts have not come back: restart the service")
    outcome = Future[T]()

    def work() -> None:
        try:
            outcome.set_result(run())
        except BaseException as error:
            outcome.set_exception(error)

    thread = Thread(target=work, name="script, not watched", daemon=True)
    thread.start()
    try:
        return outcome.result(PATIENCE)
    except TimeoutError:
        _given_up.add(thread)
        raise DecodeError("timeout", f"it does not come back within {PATIENCE:.0f} s") from None


WATCHED_KINDS: Mapping[str, ReadFile] = {**KINDS, ".js": partial(compile_script, run=in_time)}
"""kinds of decoders' files, whose scripts run in time"""
