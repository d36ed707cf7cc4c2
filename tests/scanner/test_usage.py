from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from bssci.scanner import usage as module
from bssci.scanner.usage import ProcessUsage


def test_memory_and_the_share_since_the_last_question_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "statm").write_text("1000 256 1 1 0 1 0\n")
    now, used = [100.0], [2.0]
    monkeypatch.setattr(module.os, "times", lambda: SimpleNamespace(user=used[0], system=0.0))
    monkeypatch.setattr(module.os, "sysconf", lambda name: 4096)
    usage = ProcessUsage(lambda: now[0], tmp_path)
    now[0], used[0] = 110.0, 3.0
    assert usage.report() | {"platform": ""} == {"memory_usage_mb": 1.0, "cpu_percent": 10.0, "platform": ""}
    now[0] = 120.0
    assert usage.report()["cpu_percent"] == 0.0


def test_without_proc_memory_is_unknown(tmp_path: Path) -> None:
    assert ProcessUsage(lambda: 0.0, tmp_path).report()["memory_usage_mb"] == 0.0
