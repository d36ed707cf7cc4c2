"""bssci.stream.cli: what is wrong before anything is sent, and its exit statuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from bssci.cli import main
from bssci.model.live_token import compose

URL = "wss://service.test/mqtt"


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BSSCI_TOKEN", compose("x" * 32))


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["ws://service.test/mqtt"], "this machine only"),
        ([URL, "--token-file", "none"], "--token-file: the file that it names"),
        ([URL, "--to", "file"], "needs --path"),
        ([URL, "--to", "webhook", "--path", "https://h/", "--header", "no"], "NAME:VALUE"),
        ([URL, "--ca-file", "none.pem"], "none.pem"),
        ([URL, "--to", "file", "--path", "no/where"], "no/where"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["watch", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and said in error and error.count("\n") == 1


def test_a_token_with_a_typing_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BSSCI_TOKEN", compose("x" * 32).replace("x", "y", 1))
    assert main(["watch", URL]) == 1
    assert "checksum" in capsys.readouterr().err


def test_a_command_that_is_written_wrongly() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["watch", URL, "--to", "nowhere"])
    assert ended.value.code == 2
