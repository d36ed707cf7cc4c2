"""Scripts that nobody watches, as when they are loaded or tried: each in a thread that is waited for.

A thread cannot be ended. Once some have not come back, further scripts run in processes, which are slower to
start, and are killed.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from threading import Thread

from bssci.center.decoding.script_process import run_apart
from bssci.decoders.interfaces import DecodeError
from bssci.decoders.library import KINDS, ReadFile
from bssci.decoders.scripts import Script, ScriptJob, compile_script

PATIENCE = 5.0
"""s on the clock after which a script is given up"""
MAX_GIVEN_UP = 3
"""scripts given up that still run, at which others run in processes"""
_given_up: set[Thread] = set()


def in_time(job: ScriptJob) -> Script:
    """Do a job, or raise what that raises.

    :raises DecodeError: the script does not come back.
    """
    # A copy, as other threads come here, too.
    _given_up.difference_update([each for each in list(_given_up) if not each.is_alive()])
    if len(_given_up) >= MAX_GIVEN_UP:
        return run_apart(job, PATIENCE)
    outcome = Future[Script]()

    def work() -> None:
        try:
            outcome.set_result(job.run())
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
