"""The limit of file descriptors, raised in a process of its own."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from bssci.system.descriptors import OTHERS, shortage

RAISE = """
import resource, sys
from bssci.system.descriptors import raise_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
print(raise_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parts
@pytest.mark.parametrize(("soft", "hard", "after"), [(256, 900, 900), (900, 900, 900)])
def test_the_soft_limit_becomes_the_hard_one(soft: int, hard: int, after: int) -> None:
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= hard
    done = subprocess.run(
        [sys.executable, "-c", RAISE, str(soft), str(hard)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(after), str(after), str(hard)]


def test_too_few_are_named_with_what_to_do() -> None:
    assert shortage(5000 + OTHERS, 5000) == ""
    said = shortage(1024, 5000)
    assert "1024" in said and "MAX_CONNECTIONS=5000" in said and "LimitNOFILE" in said
