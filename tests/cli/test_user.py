"""``bssci user`` and the first account of ``bssci init``."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from bssci.cli import main
from bssci.web.access.accounts import AccountFile


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("STATE_DIR", "WEB_PORT"):
        monkeypatch.delenv(name, raising=False)
    Path("data").mkdir()


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_an_account_is_added_listed_and_given_a_new_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, "a good password\n")
    assert main(["user", "add", "carla", "--role", "operator"]) == 0
    assert main(["user", "list"]) == 0
    assert capsys.readouterr().out.startswith("carla\toperator\t")
    file = AccountFile(Path("data"))
    assert file.verify("carla", "a good password") is not None
    type_in(monkeypatch, "an even better one\n")
    assert main(["user", "password", "carla"]) == 0
    assert file.verify("carla", "a good password") is None
    assert file.path.stat().st_mode & 0o777 == 0o600


def test_what_is_wrong_with_an_account_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, "short\n")
    assert main(["user", "add", "carla"]) == 1
    assert capsys.readouterr().err == "error: password: must have 10 to 200 characters\n"
    type_in(monkeypatch, "long enough it is\n")
    assert main(["user", "password", "nobody"]) == 1
    assert capsys.readouterr().err == "error: name: there is no account nobody\n"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["password", "nobody"], "there is no account nobody"),
        (["add", "carla"], "there is an account carla already"),
        (["add", "-"], "must be 1 to 64 letters, digits"),
    ],
)
def test_the_name_is_checked_before_a_password_is_asked_for(
    command: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    AccountFile(Path("data")).add("carla", "viewer", "a good password")
    monkeypatch.setattr("bssci.cli.user._password", lambda: pytest.fail("asked for"))
    role = ["--role", "viewer"] if command[0] == "add" else []
    assert main(["user", *command, *role]) == 1
    assert told in capsys.readouterr().err


def test_init_shows_the_first_password_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init"]) == 0
    password = capsys.readouterr().out.rstrip("\n").rpartition(" ")[2]
    account = AccountFile(Path("data")).verify("admin", password)
    assert account is not None and account.role == "admin"
    assert main(["init"]) == 0
    again = capsys.readouterr().out
    assert password not in again and "kept    data/accounts.json" in again


@pytest.mark.parametrize("command", [["user", "list"], ["token", "create", "robot"], ["init"]])
def test_damaged_accounts_are_one_line(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("data/accounts.json").write_text("x")
    assert main(command) == 1
    assert capsys.readouterr().err.startswith("error: data/accounts.json: is damaged (")


def test_an_account_whose_time_is_damaged_is_listed_without_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, "a good password\n")
    assert main(["user", "add", "carla"]) == 0
    path = Path("data/accounts.json")
    path.write_text(re.sub(r'"created_at": ?[0-9.e+]+', '"created_at":1e30', path.read_text()))
    assert main(["user", "list"]) == 0
    assert capsys.readouterr().out == "carla\tviewer\t\tnever logged in\n"
