"""Memory of the process: what the C library keeps of it, and how often Python looks for garbage."""

from __future__ import annotations

import ctypes
import gc
import sys


def give_back() -> None:
    """Give freed memory back to the system, where the C library can (glibc; others do so by themselves).

    Takes some milliseconds.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def collect_rarely() -> None:
    """Run garbage collection again, but rarely, and exempt what exists since the start.

    Nearly all objects are freed by their reference count, while ten thousands of uplinks wait in windows,
    which each collection would traverse again. The garbage of the imports, less than a megabyte, stays: to
    look for it would take a tenth of the start.
    """
    gc.freeze()
    gc.enable()
    # The middle generation is looked through at once: a quarter of a million objects of it took 60 ms.
    gc.set_threshold(10_000, 1, 6000)
    # How long a thread that wants Python's lock, such as the reactor's, waits for one that computes.
    sys.setswitchinterval(0.001)
