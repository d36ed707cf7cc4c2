"""The command itself: sub-commands are loaded one at a time."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from bssci import __version__, cli
from bssci.cli import COMMANDS, main


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    words = capsys.readouterr().out.split()
    assert set(COMMANDS) <= set(words)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: bssci {command} ")


@pytest.mark.parametrize("arguments", [[], ["nonsense"]])
def test_no_such_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: bssci")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"bssci {__version__}\n"


def test_no_garbage_is_looked_for_while_a_command_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bssci_probe.py").write_text("import gc\n\nLOOKING = gc.isenabled()\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert gc.isenabled()
    assert cli._load("bssci_probe").LOOKING is False
    assert gc.isenabled()


@pytest.mark.parts
def test_a_command_loads_only_what_it_needs() -> None:
    code = (
        "import sys; from bssci.cli import main\n"
        "try: main(['station-cert', '--help'])\n"
        "except SystemExit: print([name for name in sys.modules if name.startswith('twisted.internet')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
