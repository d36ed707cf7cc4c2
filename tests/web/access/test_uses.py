"""The last use of tokens and accounts: shown, stored rarely, and there again after a restart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, maybeDeferred

from bssci.web.access.uses import LIVE_TOKENS_FILE, SAVE_INTERVAL, TOKENS_FILE, LastUses, Use, read_uses, told
from tests.support.log_lines import log_lines
from tests.support.web import Browser, WebHouse
from tests.web.html import Document

__all__ = ["log_lines"]
HERE, THERE = "192.0.2.7", "192.0.2.8"


def used(web: WebHouse, name: str) -> tuple[float | None, str | None]:
    tokens = web.browser("admin").get("/api/tokens").json()["tokens"]
    return next((each["last_used_at"], each["last_address"]) for each in tokens if each["name"] == name)


def program(web: WebHouse, name: str, address: str = THERE) -> Browser:
    made = web.browser(address=address)
    made.token = web.browser("admin").post("/api/tokens", {"name": name, "role": "viewer"}).json()["token"]
    return made


def test_the_last_use_of_a_token_is_shown_by_time_and_address(web: WebHouse) -> None:
    robot = program(web, "robot")
    assert used(web, "robot") == (None, None)
    assert "never" in Document(web.browser("admin").get("/accounts").text).one("main").text
    robot.get("/api/sensors")
    web.advance(60.0)
    robot.get("/api/tokens")  # refused, but it is a use of the token
    assert used(web, "robot") == (web.now(), THERE)
    assert THERE in Document(web.browser("admin").get("/accounts").text).one("main").text


def test_the_last_log_in_to_an_account_is_shown_by_time_and_address(web: WebHouse) -> None:
    def told_of(name: str) -> tuple[float | None, str | None]:
        accounts = web.browser("admin").get("/api/accounts").json()["accounts"]
        account = next(each for each in accounts if each["name"] == name)
        return account["last_login_at"], account["last_address"]

    assert told_of("viewer") == (None, None)
    web.browser("viewer", address=THERE)
    at = web.now()
    web.advance(60.0)
    web.browser(address=THERE).log_in("viewer", "wrong password")
    assert told_of("viewer") == (at, THERE)


def test_what_was_used_is_still_known_after_a_restart(make_web_house: Callable[..., WebHouse]) -> None:
    web = make_web_house()
    program(web, "robot").get("/api/sensors")
    at = web.now()
    web.close()
    web.open()
    assert used(web, "robot") == (at, THERE)


def test_a_new_token_of_the_same_name_was_never_used(web: WebHouse) -> None:
    program(web, "robot").get("/api/sensors")
    web.browser("admin").delete("/api/tokens/robot")
    program(web, "robot")
    assert used(web, "robot") == (None, None)


def test_uses_are_stored_rarely_and_those_of_tokens_that_are_gone_not_at_all(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[Path] = []

    def store(path: Path, data: bytes) -> None:
        stored.append(path)

    robot = program(web, "robot")
    web.admin.guard.uses.start()
    monkeypatch.setattr("bssci.web.access.uses.write_atomically", store)
    robot.get("/api/sensors")
    assert [path.name for path in stored] == [TOKENS_FILE], "the first use at once"
    for _ in range(100):
        robot.get("/api/sensors")
    web.advance(SAVE_INTERVAL)
    web.advance(SAVE_INTERVAL)
    assert [path.name for path in stored] == [TOKENS_FILE] * 2
    web.file.revoke_token("robot")
    robot.get("/api/sensors")
    web.advance(SAVE_INTERVAL)
    assert [path.name for path in stored] == [TOKENS_FILE] * 3


@pytest.mark.parametrize("damaged", [b'{"a": {"at": 1.0, "address": "\xff"}}', b"{", b"[]", b"[" * 100_000])
def test_damaged_uses_are_forgotten(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / LIVE_TOKENS_FILE).write_bytes(damaged)
    assert read_uses(tmp_path / LIVE_TOKENS_FILE) == {}


def test_a_full_disk_is_told_once_a_minute(tmp_path: Path, log_lines: list[str]) -> None:
    uses = LastUses(tmp_path / "uses.json", "live tokens", lambda: 0.0, lambda *_: fail(OSError("full")))
    uses.used("t", "192.0.2.1")
    for _ in range(3):
        uses.save()
    assert log_lines == ["uses of live tokens not stored full"]


def test_an_older_state_is_not_stored_over_a_newer_one(tmp_path: Path) -> None:
    waiting: list[Deferred[Any]] = []
    data: list[bytes] = []

    def write(function: object, path: Path, written: bytes) -> Deferred[Any]:
        data.append(written)
        waiting.append(Deferred())
        return waiting[-1]

    uses = LastUses(tmp_path / "uses.json", "API tokens", lambda: 5.0, write)
    for key in ("a", "b"):
        uses.used(key, HERE)
        uses.save()
    assert len(data) == 1
    waiting[0].callback(None)
    assert len(data) == 2 and b'"b"' in data[1]


def test_a_use_is_told_in_one_line(tmp_path: Path) -> None:
    uses = LastUses(tmp_path / "uses.json", "API tokens", lambda: 60.0, maybeDeferred)
    uses.used("a", HERE)
    assert told(uses.get("a"), "never used") == f"1970-01-01 00:01 UTC from {HERE}"
    assert told(uses.get("b"), "never used") == "never used"
    assert told(Use(1e30, HERE), "never used") == f"from {HERE}"
