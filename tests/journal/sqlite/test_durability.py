"""What was acknowledged is there after kill -9, and a second service keeps out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bssci.journal import Fact, JournalError
from tests.support.journal import reception, uplink

ROOT = Path(__file__).parents[3]


def run_until_killed(directory: Path, acknowledgements: int) -> list[tuple[int, int]]:
    """Have a process store; kill it after some acknowledgements. All that it gave."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.journal.sqlite.journal_process", os.fspath(directory)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    lines = [process.stdout.readline() for _ in range(acknowledgements)]
    process.kill()
    rest, _ = process.communicate()
    complete = [line for line in [*lines, *rest.splitlines(keepends=True)] if line.endswith(b"\n")]
    return [tuple(map(int, line.split())) for line in complete]


@pytest.mark.parts
async def test_nothing_that_was_acknowledged_is_lost_when_the_process_is_killed(open_journal, tmp_path):
    positions, seqs = set(), set()
    for acknowledgements in (1, 17, 40):
        for position, seq in run_until_killed(tmp_path / "data", acknowledgements):
            assert position not in positions
            assert seq not in seqs
            positions.add(position)
            seqs.add(seq)
        journal = open_journal()
        inbox = (await journal.load()).receptions
        assert positions <= {position for position, _ in inbox}
        assert all(receptions == [reception(receptions[0].packet_counter)] for _, receptions in inbox)
        events = await journal.events.read(0, 10**6)
        assert seqs <= {seq for seq, _ in events}
        assert all(event == uplink(seq) for seq, event in events)
        await journal.close()


async def test_a_second_service_is_told_who_uses_the_directory(journal, tmp_path, open_journal):
    with pytest.raises(JournalError) as error:
        open_journal()
    assert str(error.value) == (
        f"{tmp_path}/data: used by another bssci (pid {os.getpid()}): stop it or set STATE_DIR"
    )
    await journal.close()
    await open_journal().tables.put([Fact(name="mine", value="now")])
