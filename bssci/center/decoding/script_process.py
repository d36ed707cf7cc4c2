"""A process for one run of a script, which is killed if it does not come back.

The job comes as MessagePack on standard input, the answer leaves as MessagePack on standard output.
"""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from math import ceil
from time import process_time

import msgspec

from bssci.decoders.interfaces import DecodeError
from bssci.decoders.scripts import Script, ScriptJob

START_TIME = 30.0
"""s that the process may take beside the script: for its own start, on a slow machine"""
CPU_TIME = 2
"""s of CPU time after which the system ends a script, even if nobody is left to kill it"""


class _Answer(msgspec.Struct):
    """Result of a job, or the error."""

    script: Script | None = None
    code: str = ""
    """code of a DecodeError; empty: a ValueError, if there is no result"""
    message: str = ""


def run_apart(job: ScriptJob, seconds: float) -> Script:
    """Do a job in a process of its own. Blocks.

    :param seconds: s that the script may take.
    :raises DecodeError: the script failed, or did not come back.
    :raises ValueError: the extra is not installed.
    """
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "bssci.center.decoding.script_process"],
            input=msgspec.msgpack.encode(job),
            capture_output=True,
            timeout=START_TIME + seconds,
            check=False,
        )
        if ended.returncode == -signal.SIGXCPU:
            raise DecodeError("timeout", f"it does not come back within {CPU_TIME} s of CPU time")
        answer = msgspec.msgpack.decode(ended.stdout, type=_Answer)
    except subprocess.TimeoutExpired:
        raise DecodeError("timeout", f"it does not come back within {seconds:.0f} s") from None
    except (OSError, OverflowError, UnicodeEncodeError) as error:
        raise DecodeError("fault", f"it cannot be run in a process of its own: {error}") from None
    except msgspec.MsgspecError:
        raise DecodeError("fault", f"its process ended with status {ended.returncode}") from None
    if answer.script is not None:
        return answer.script
    raise DecodeError(answer.code, answer.message) if answer.code else ValueError(answer.message)


def main() -> None:
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=ScriptJob)
    end = ceil(process_time()) + CPU_TIME
    # Ended by the first limit, it would leave its memory in a file, with the secrets of its environment.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (end, end + 1))
    try:
        answer = _Answer(job.run())
    except DecodeError as error:
        answer = _Answer(None, error.code, error.message)
    except ValueError as error:
        answer = _Answer(None, "", str(error))
    sys.stdout.buffer.write(msgspec.msgpack.encode(answer))


if __name__ == "__main__":
    main()
