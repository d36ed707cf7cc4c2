"""Accounts and tokens: made, changed by several hands, and never shown."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from bssci.web.access.accounts import AccountError, AccountFile
from bssci.web.access.live_tokens import Wish
from tests.support.web import EPOCH, WebHouse, quick_parts


def test_a_role_that_was_taken_counts_at_once(web: WebHouse) -> None:
    browser = web.browser("operator")
    web.file.change("operator", role="viewer")
    assert browser.post("/api/sensors/reload").status == 403


def test_accounts_and_tokens_are_managed_and_audited(web: WebHouse) -> None:
    admin = web.browser("admin")
    new = {"name": "carla", "role": "operator", "password": "long enough"}
    assert admin.post("/api/accounts", new).status == 200
    assert admin.post("/api/accounts", new).error["field"] == "name"
    assert admin.post("/api/accounts", new | {"name": "<script>"}).error["field"] == "name"
    assert admin.post("/api/accounts", new | {"name": "dora", "role": "king"}).error["field"] == "role"
    assert (
        admin.post("/api/accounts", new | {"name": "dora", "password": "short"}).error["field"] == "password"
    )
    carla = web.browser()
    assert carla.log_in("carla", "long enough").status == 200
    assert admin.post("/api/accounts/carla", {"role": "viewer"}).status == 200
    assert carla.post("/api/sensors/reload").status == 403
    token = admin.post("/api/tokens", {"name": "robot", "role": "viewer"}).json()["token"]
    robot = web.browser()
    robot.token = token
    assert robot.get("/api/sensors").status == 200
    assert admin.delete("/api/tokens/robot").status == 200
    assert robot.get("/api/sensors").status == 401
    assert admin.delete("/api/accounts/carla").status == 200
    assert carla.get("/api/me").status == 401
    assert {action for who, action, _ in web.audit() if who == "admin"} >= {
        "account.add", "account.role", "token.create", "token.revoke", "account.remove",
    }  # fmt: skip
    assert admin.delete("/api/accounts/admin").status == 422


def test_role_and_password_change_together_or_not_at_all(web: WebHouse) -> None:
    admin, operator = web.browser("admin"), web.browser("operator")
    both = {"role": "viewer", "password": "short"}
    assert admin.post("/api/accounts/operator", both).error["field"] == "password"
    assert operator.get("/api/me").json()["role"] == "operator"
    assert web.audit()[-4:] == [
        ("admin", action, "operator")
        for action in ("account.role", "account.password", "account.password.failed", "account.role.failed")
    ]
    assert admin.post("/api/accounts/operator", both | {"password": "long enough"}).status == 200
    assert operator.get("/api/me").status == 401
    assert operator.log_in("operator", "long enough").status == 200
    assert operator.get("/api/me").json()["role"] == "viewer"


def test_two_writers_of_the_account_file_lose_nothing(web: WebHouse) -> None:
    one, other = AccountFile(web.directory / "data"), AccountFile(web.directory / "data")
    one.create_token("one", "viewer")
    other.create_token("other", "viewer")
    assert {token.name for token in web.file.read().tokens} == {"one", "other"}
    assert web.file.path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(AccountError, match="already"):
        one.create_token("other", "viewer")


def test_argon2_is_what_hashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = partial(PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr("bssci.web.access.accounts.PasswordHasher", quick)
    file = AccountFile(tmp_path, lambda: EPOCH)
    file.add("someone", "viewer", "a good password")
    assert file.read().accounts[0].password.startswith("$argon2id$")
    assert file.verify("someone", "a good password") is not None
    assert file.verify("someone", "another password") is None
    assert file.verify("nobody", "a good password") is None


@pytest.fixture
def _quick_passwords() -> Iterator[None]:
    with quick_parts():
        yield


@pytest.mark.usefixtures("_quick_passwords")
@pytest.mark.parametrize("old", [b'"ann"', b'"name": "ann"', b'"role": "viewer"'])
def test_a_damaged_entry_is_passed_over_and_the_file_is_kept(tmp_path: Path, old: bytes) -> None:
    file = AccountFile(tmp_path)
    file.add("root", "admin", "a long password")
    file.add("ann", "viewer", "a long password")
    file.create_token("program", "operator")
    assert file.damage() == ""
    content = file.path.read_bytes()
    assert old in content
    place = content.index(old) + 1
    damaged = content[:place] + b"\xff" + content[place + 1 :]
    file.path.write_bytes(damaged)
    rest = file.read()
    assert [each.name for each in rest.accounts] == ["root"]
    assert [each.name for each in rest.tokens] == ["program"]
    assert "1 account and 1 token in it can be read" in file.damage()
    file.add("eve", "viewer", "a long password")
    assert file.damage() == ""
    assert (tmp_path / "accounts.json.damaged").read_bytes() == damaged


@pytest.mark.usefixtures("_quick_passwords")
def test_a_damaged_byte_in_a_name_of_the_file_loses_nothing(tmp_path: Path) -> None:
    file = AccountFile(tmp_path)
    file.add("root", "admin", "a long password")
    file.create_token("program", "operator")
    content, whole = file.path.read_bytes(), file.read()
    for name in (b'"accounts"', b'"tokens"', b'"live_tokens"', b'"changes"'):
        for damaged in (name.replace(b"n", b"o").replace(b"ts", b"us"), name.replace(b"s", b"\xff")):
            assert damaged != name
            file.path.write_bytes(content.replace(name, damaged))
            assert file.read() == whole
            assert file.unreadable == 1
            assert "is damaged" in file.damage()


@pytest.mark.usefixtures("_quick_passwords")
def test_a_token_whose_bounds_are_damaged_is_not_one_without_bounds(tmp_path: Path) -> None:
    file = AccountFile(tmp_path)
    file.create_live_token(Wish(name="bound", devices=("mioty:70B3D59CD0000001",)))
    content = file.path.read_bytes()
    file.path.write_bytes(content.replace(b'"devices"', b'"devises"'))
    assert file.read().live_tokens == ()
    assert file.unreadable == 1


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    file = AccountFile(tmp_path)
    file.path.write_bytes(b"no accounts at all")
    with pytest.raises(AccountError, match="restore it or remove it"):
        file.read()


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/accounts", {"name": "carla", "role": "viewer", "password": "long enough"}),
        ("/api/accounts/operator", {"role": "admin"}),
        ("/api/accounts/operator", {"password": "another long one"}),
        ("/api/tokens", {"name": "program", "role": "viewer"}),
        ("/api/mqtt-tokens", {"name": "stream"}),
    ],
)
def test_without_room_for_the_file_nothing_is_audited_or_made(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, str]
) -> None:
    admin = web.browser("admin")
    before = web.audit(), web.file.path.read_bytes()
    monkeypatch.setattr("bssci.web.http.guard.hold_room", full)
    answer = admin.post(path, body)
    assert (answer.status, answer.error["code"]) == (503, "unavailable")
    assert "accounts.json cannot be written: No space left" in answer.error["message"]
    assert (web.audit(), web.file.path.read_bytes()) == before


def test_a_file_that_cannot_be_written_all_the_same_is_said_in_the_audit_log(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = web.browser("admin")
    monkeypatch.setattr("bssci.web.access.accounts.write_atomically", full)
    assert admin.post("/api/tokens", {"name": "program", "role": "viewer"}).status == 503
    assert [action for _, action, _ in web.audit()][-2:] == ["token.create", "token.create.failed"]
