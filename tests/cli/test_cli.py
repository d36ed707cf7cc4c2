"""The command itself: sub-commands are loaded one at a time."""

from __future__ import annotations

import gc
import io
import os
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


WITHOUT_FOLDER = [
    ["user", "list"],
    ["token", "list"],
    ["device", "list"],
    ["broker-config", "broker"],
    ["backup", "backup.tar.gz"],
]


@pytest.mark.parametrize("command", WITHOUT_FOLDER)
def test_a_folder_without_an_installation_is_left_as_it_is(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(command) == 1
    assert capsys.readouterr().err == (
        "error: STATE_DIR=data: does not exist; start this command in the folder of the service,"
        " or run `bssci init` to make an installation here\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - {"simulate", "scan", "watch"}))
def test_settings_that_cannot_be_read_are_one_line(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(b"\xff\n")
    try:
        status = main([command])
    except SystemExit as exit:  # arguments are missing
        status = exit.code
    error = capsys.readouterr().err
    assert status and "Traceback" not in error


class GoneReader(io.StringIO):
    """Standard output whose reader has gone."""

    def flush(self) -> None:
        raise BrokenPipeError

    def fileno(self) -> int:
        return self.descriptor

    def __init__(self) -> None:
        super().__init__()
        self.descriptor = os.open(os.devnull, os.O_WRONLY)


@pytest.mark.parametrize("arguments", [["--help"], ["station-cert", "--help"]])
def test_nothing_is_said_if_nobody_reads_on(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout", GoneReader())
    assert main(arguments) == 141
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (PermissionError(13, "Permission denied", "x.pem"), "x.pem: Permission denied"),
        (TimeoutError("timed out"), "timed out"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_an_error_of_the_system_is_one_line(
    error: OSError, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(argv: object) -> int:
        raise error

    monkeypatch.setattr(cli, "_run", failing)
    monkeypatch.setattr(cli, "_close_output", lambda: None)
    assert main(["check"]) == 1
    assert capsys.readouterr().err == f"error: {text}\n"


def test_what_the_encoding_of_the_terminal_lacks_is_written_as_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = io.BytesIO()

    def telling(argv: object) -> int:
        print("2\u202f000 sensors")
        return 0

    monkeypatch.setattr(cli, "_run", telling)
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="latin-1"))
    assert main([]) == 0
    assert written.getvalue() == b"2\\u202f000 sensors\n"


def test_ctrl_c_shows_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(argv: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_run", interrupted)
    monkeypatch.setattr("sys.excepthook", sys.excepthook)
    with pytest.raises(KeyboardInterrupt) as caught:
        main(["check"])
    sys.excepthook(caught.type, caught.value, caught.tb)
    assert capsys.readouterr().err == "\n"


@pytest.mark.parts
def test_a_command_loads_only_what_it_needs() -> None:
    code = (
        "import sys; from bssci.cli import main\n"
        "try: main(['station-cert', '--help'])\n"
        "except SystemExit: print([name for name in sys.modules if name.startswith('twisted.internet')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
