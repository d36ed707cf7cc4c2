"""Accounts, tokens and sessions."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from bssci.web.access.accounts import MAX_PASSWORD, MIN_PASSWORD, NAME_PATTERN, Role
from bssci.web.api.schemas.common import Answer
from bssci.web.http.replies import Done

NewName = Annotated[str, Meta(extra_json_schema={"pattern": f"^{NAME_PATTERN}$"})]
"""the name of a new account or token, which is checked where it is added"""
_LENGTHS = {"minLength": MIN_PASSWORD, "maxLength": MAX_PASSWORD}
NewSecret = Annotated[str, Meta(extra_json_schema=_LENGTHS)]
"""a new password, which is checked where it is set"""


class LogIn(msgspec.Struct, kw_only=True):
    """Name and password."""

    username: str
    password: str


class LoggedIn(Done):
    """A new session, whose cookie comes with the answer."""

    csrf: str


class FirstAccount(msgspec.Struct, kw_only=True):
    """The first account, with the token of the link from the log."""

    token: str
    username: NewName
    password: NewSecret


class Me(Answer):
    """The account or token that asks."""

    name: str
    role: Role
    csrf: str | None


class NewPassword(msgspec.Struct, kw_only=True):
    """The present password and the new one."""

    password: str
    new_password: NewSecret


class OneSession(Answer):
    """A session of the account that asks."""

    id: str
    created_at: float
    seen_at: float
    address: str
    agent: str
    current: bool


class SessionList(Answer):
    """Sessions of the account that asks, the latest seen first."""

    sessions: list[OneSession]


class SessionsEnded(Done):
    """The other sessions are over."""

    ended: int


class OneAccount(Answer):
    """An account, as a change leaves it."""

    name: str
    role: Role
    created_at: float
    changed_at: float
    sessions: int
    last_login_at: float | None
    """Unix seconds; None: nobody has logged in yet"""
    last_address: str | None
    """address of the last log-in"""


class AccountList(Answer):
    """Every account, by name."""

    accounts: list[OneAccount]


class NewAccount(msgspec.Struct, kw_only=True):
    """An account to add."""

    name: NewName
    role: Role
    password: NewSecret


class AccountChange(msgspec.Struct, kw_only=True):
    """A change of an account: of its role, its password, or both."""

    role: Role | None = None
    password: Annotated[NewSecret | None, Meta(description="a new one ends its sessions")] = None


class OneToken(Answer):
    """An API token, without its secret."""

    name: str
    role: Role
    created_at: float
    last_used_at: float | None
    """Unix seconds; None: never used"""
    last_address: str | None
    """address of the last use"""


class TokenList(Answer):
    """Every API token, by name."""

    tokens: list[OneToken]


class NewToken(msgspec.Struct, kw_only=True):
    """An API token to create."""

    name: NewName
    role: Role


class CreatedToken(Done):
    """The token, which is shown only once."""

    token: str
