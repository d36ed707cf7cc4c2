"""Tokens for live streams: what is allowed, and what the file keeps of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bssci.model.live_token import fault_of
from bssci.system.utc import DAY
from bssci.web.access.accounts import AccountError, AccountFile
from bssci.web.access.live_tokens import DAYS, Wish


def test_a_token_is_kept_as_its_digest(tmp_path: Path) -> None:
    file = AccountFile(tmp_path, lambda: 1000.0)
    secret, token = file.create_live_token(Wish(name="dash", devices=("70b3d567-70110001", "ble:AA")))
    assert fault_of(secret) is None
    assert secret not in file.path.read_text()
    assert token.devices == ("mioty:70B3D56770110001", "ble:AA")
    assert token.expires_at == 1000.0 + DAYS * DAY
    assert file.read().live_tokens == (token,)


@pytest.mark.parametrize("key", ["id", "name"])
def test_a_token_is_revoked_by_id_or_name(tmp_path: Path, key: str) -> None:
    file = AccountFile(tmp_path, who="somebody")
    _, token = file.create_live_token(Wish(name="dash"))
    file.revoke_live_token(getattr(token, key))
    assert file.read().live_tokens == ()
    with pytest.raises(AccountError):
        file.revoke_live_token("dash")
    assert [change.action for change in file.read().changes] == ["mqtt-token.create", "mqtt-token.revoke"]


@pytest.mark.parametrize(
    "wrong, field",
    [
        ({"name": "no spaces"}, "name"),
        ({"name": "taken"}, "name"),
        ({"description": "x" * 201}, "description"),
        ({"expires_in_days": 0}, "expires_in_days"),
        ({"expires_in_days": 3651}, "expires_in_days"),
        ({"connections": 0}, "connections"),
        ({"topics": ("a/#/b",)}, "topics"),
        ({"topics": ("",)}, "topics"),
        ({"topics": ("a",) * 51}, "topics"),
        ({"devices": ("x" * 201,)}, "devices"),
        ({"devices": ("70B3D5677011000",)}, "devices"),
        ({"tags": ("",)}, "tags"),
        ({"tags": ("\x1b",)}, "tags"),
        ({"description": "a\nb"}, "description"),
    ],
)
def test_what_is_not_allowed(tmp_path: Path, wrong: dict[str, Any], field: str) -> None:
    file = AccountFile(tmp_path)
    file.create_live_token(Wish(name="taken"))
    with pytest.raises(AccountError) as refused:
        file.create_live_token(Wish(**{"name": "new", **wrong}))
    assert refused.value.field == field
    assert len(file.read().live_tokens) == 1


def test_an_older_file_has_no_such_tokens(tmp_path: Path) -> None:
    file = AccountFile(tmp_path)
    file.path.write_text('{"accounts": [], "tokens": [], "changes": []}')
    assert file.read().live_tokens == ()
