"""Freed memory goes back to the system."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from bssci.system import memory

SIZE, COUNT = 100_000, 200


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library has no malloc_trim")
def test_what_is_freed_between_things_that_stay_is_given_back() -> None:
    blocks = [bytearray(SIZE) for _ in range(2 * COUNT)]
    del blocks[::2]
    before = resident()
    memory.give_back()
    assert before - resident() > COUNT * SIZE / 2
    assert len(blocks) == COUNT


def test_a_library_that_cannot_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    memory.give_back()
