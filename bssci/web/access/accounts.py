"""Accounts and API tokens, in a file that both the service and the command line change.

    STATE_DIR/accounts.json   mode 0600, replaced atomically
    STATE_DIR/accounts.lock   held while it is read, changed and written

Passwords are stored as argon2 hashes, tokens as SHA-256: a token is 32 random bytes, so a slow hash would
gain nothing. Methods that read or hash block, so they have to run in a thread.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from twisted.logger import Logger

from bssci.model.counts import many
from bssci.system.files import make_directory, open_lock, write_atomically
from bssci.system.shell import ShellChange, noted, shell_user
from bssci.system.watching import FileStamp, stamp_of
from bssci.web.access.live_tokens import LiveToken, Wish, WishError, checked, draw_secret, new_token
from bssci.web.access.salvage import salvage

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
"""roles in ascending order: each includes those before it"""
FILE_NAME = "accounts.json"
LOCK_NAME = "accounts.lock"
MIN_PASSWORD, MAX_PASSWORD = 10, 200
"""characters of a password, at least and at most"""
MAX_ACCOUNTS = 1000
TOKEN_PREFIX = "bssci_"
FIRST_ACCOUNT = "admin"
NAME_PATTERN = "[A-Za-z0-9][A-Za-z0-9._@-]{0,63}"
"""regular expression of the whole name of an account or token"""
_NAME = re.compile(NAME_PATTERN)


class AccountError(ValueError):
    """An account or token is not possible as requested: one line, and the field that is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field

    @property
    def line(self) -> str:
        """The message, after the name of the field unless it names the file."""
        return str(self) if self.field == "file" else f"{self.field}: {self}"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account of a person who may log in."""

    name: str
    role: Role
    password: str
    """argon2 hash"""
    generation: str
    """random text that is new with every password; sessions of an earlier generation are over"""
    created_at: float
    """Unix seconds"""
    changed_at: float


class ApiToken(msgspec.Struct, frozen=True, kw_only=True):
    """An API token, with which a program uses the API."""

    name: str
    role: Role
    digest: str
    """SHA-256 of the token"""
    created_at: float


class Directory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All accounts and tokens, as the file holds them."""

    accounts: tuple[Account, ...] = ()
    tokens: tuple[ApiToken, ...] = ()
    live_tokens: tuple[LiveToken, ...] = ()
    changes: tuple[ShellChange, ...] = ()
    """changes that are not in the audit log yet, which only the running service writes"""

    def account(self, name: str) -> Account | None:
        return next((each for each in self.accounts if each.name == name), None)


_decoder = msgspec.json.Decoder(Directory)


class AccountFile:
    """The file of accounts. All methods except :meth:`stamp` block. Damaged entries are skipped; before the
    file is written again, it is copied to ``accounts.json.damaged``.

    :param now: Unix seconds.
    :param who: name that is recorded with every change for the audit log; empty if the caller writes the
        audit log.
    """

    log = Logger()

    def __init__(self, directory: Path, now: Callable[[], float] = time.time, who: str = "") -> None:
        self.path = directory / FILE_NAME
        self._lock = directory / LOCK_NAME
        self._now = now
        self._who = who
        self._hasher = PasswordHasher()
        # Verified if there is no such account, so that the time taken reveals nothing.
        self._nobody = ""
        self._damaged = b""
        """content of the file as it was last read, if it was damaged"""
        self.unreadable = 0
        """damaged entries that were skipped when the file was read last"""

    @classmethod
    def at_command_line(cls, directory: Path) -> AccountFile:
        """Return the file for the command line, which records every change under the name of the system's
        user.
        """
        return cls(directory, who=shell_user())

    def stamp(self) -> FileStamp:
        """Return a value that changes when the file does."""
        return stamp_of(self.path)

    def read(self) -> Directory:
        """Return the contents of the file.

        :raises AccountError: the file is damaged as a whole.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return Directory()
        self.unreadable = 0
        try:
            return _decoder.decode(data)
        except (msgspec.DecodeError, ValueError) as error:
            found, passed_over = salvage(data, (Account, LiveToken, ApiToken, ShellChange))
            if not any(found.values()) and b'"accounts"' not in data:
                raise AccountError(
                    "file", f"{self.path}: is damaged ({error}); restore it or remove it"
                ) from None
            self._damaged, self.unreadable = data, passed_over
            rest = Directory(
                accounts=tuple(found[Account]),
                tokens=tuple(found[ApiToken]),
                live_tokens=tuple(found[LiveToken]),
                changes=tuple(found[ShellChange]),
            )
            self.log.error("{damage}", damage=self._damage(rest, error))
            return rest

    def damage(self) -> str:
        """Return what is wrong with the file if entries have to be skipped; an empty text if nothing is.

        :raises AccountError: no entry can be read.
        """
        self._damaged = b""
        rest = self.read()
        return self._damage(rest, "its JSON is broken") if self._damaged else ""

    def _damage(self, rest: Directory, error: object) -> str:
        return (
            f"{self.path}: is damaged ({error}); {many(len(rest.accounts), 'account')} and"
            f" {many(len(rest.tokens) + len(rest.live_tokens), 'token')} in it can be read,"
            " the rest is skipped"
        )

    # accounts

    def expect(self, name: str, *, known: bool) -> None:
        """Check, before a password is asked for, that there is an account, or that there can be.

        :raises AccountError: there is none, there is one already, or the name is not allowed.
        """
        directory = self.read()
        if known:
            _found(directory, name)
        else:
            check_name(name)
            _check_new(directory, name)

    def add(self, name: str, role: str, password: str) -> Account:
        """Add an account.

        :raises AccountError: the name is taken, or a value is not allowed.
        """
        check_name(name)
        account = self._account(name, _role(role), password, self._now())
        with self._changing() as directory:
            _check_new(directory, name)
            if len(directory.accounts) >= MAX_ACCOUNTS:
                raise AccountError("name", f"there are {MAX_ACCOUNTS} accounts, which is the limit")
            changed = msgspec.structs.replace(directory, accounts=(*directory.accounts, account))
            self._write(changed, "account.add", name, f"role {role}")
        return account

    def add_first(self, password: str, name: str = FIRST_ACCOUNT) -> Account | None:
        """Add the first account, an admin; return None if there are accounts already."""
        check_name(name)
        account = self._account(name, "admin", password, self._now())
        with self._changing() as directory:
            if directory.accounts:
                return None
            changed = msgspec.structs.replace(directory, accounts=(account,))
            self._write(changed, "account.add", name, "role admin")
        return account

    def set_password(self, name: str, password: str) -> Account:
        """Set the password of an account; see :meth:`change`."""
        return self.change(name, password=password)

    def change(self, name: str, *, role: str | None = None, password: str | None = None) -> Account:
        """Give an account another role, another password, which ends all its sessions, or both.

        :raises AccountError: there is no such account, it is the last admin, or the password is not allowed.
        """
        values: dict[str, Any] = {"changed_at": self._now()}
        if role is not None:
            values["role"] = _role(role)
        if password is not None:
            drawn = self._account(name, "viewer", password, self._now())
            values |= {"password": drawn.password, "generation": drawn.generation}
        with self._changing() as directory:
            changed = msgspec.structs.replace(_found(directory, name), **values)
            accounts = tuple(changed if each.name == name else each for each in directory.accounts)
            _check_admin_left(directory.accounts, accounts)
            action = "account.role" if password is None else "account.password"
            self._write(
                msgspec.structs.replace(directory, accounts=accounts),
                action,
                name,
                f"role {role}" if role else "",
            )
        return changed

    def remove(self, name: str) -> None:
        """Remove an account.

        :raises AccountError: there is no such account, or it is the last admin.
        """
        with self._changing() as directory:
            _found(directory, name)
            left = tuple(each for each in directory.accounts if each.name != name)
            _check_admin_left(directory.accounts, left)
            self._write(msgspec.structs.replace(directory, accounts=left), "account.remove", name)

    def verify(self, name: str, password: str) -> Account | None:
        """Return the account if the password is right, else None. It takes as long for names that do not
        exist.
        """
        account = self.read().account(name)
        if not self._nobody:
            self._nobody = self._hasher.hash(secrets.token_urlsafe())
        try:
            self._hasher.verify(account.password if account else self._nobody, password[:MAX_PASSWORD])
        except (VerificationError, InvalidHashError):
            return None
        return account

    # tokens

    def create_token(self, name: str, role: str) -> str:
        """Create a token; return its secret, which cannot be shown again.

        :raises AccountError: the name is taken or not allowed.
        """
        check_name(name)
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        token = ApiToken(name=name, role=_role(role), digest=token_digest(secret), created_at=self._now())
        with self._changing() as directory:
            if any(each.name == name for each in directory.tokens):
                raise AccountError("name", f"there is a token {name} already")
            if len(directory.tokens) >= MAX_ACCOUNTS:
                raise AccountError("name", f"there are {MAX_ACCOUNTS} tokens, which is the limit")
            changed = msgspec.structs.replace(directory, tokens=(*directory.tokens, token))
            self._write(changed, "token.create", name, f"role {role}")
        return secret

    def revoke_token(self, name: str) -> None:
        """Revoke a token.

        :raises AccountError: there is no such token.
        """
        with self._changing() as directory:
            left = tuple(each for each in directory.tokens if each.name != name)
            if len(left) == len(directory.tokens):
                raise AccountError("name", f"there is no token {name}")
            self._write(msgspec.structs.replace(directory, tokens=left), "token.revoke", name)

    # tokens for live streams

    def create_live_token(self, wish: Wish) -> tuple[str, LiveToken]:
        """Create a token for live streams; return its secret, which cannot be shown again, and the token.

        :raises AccountError: the name is taken, or a value is not allowed.
        """
        check_name(wish.name)
        try:
            wish = checked(wish)
        except WishError as error:
            raise AccountError(error.field, str(error)) from None
        secret = draw_secret()
        token = new_token(wish, token_digest(secret), self._now())
        with self._changing() as directory:
            if any(each.name == token.name for each in directory.live_tokens):
                raise AccountError("name", f"there is a live token {token.name} already")
            if len(directory.live_tokens) >= MAX_ACCOUNTS:
                raise AccountError("name", f"there are {MAX_ACCOUNTS} live tokens, which is the limit")
            changed = msgspec.structs.replace(directory, live_tokens=(*directory.live_tokens, token))
            self._write(changed, "mqtt-token.create", token.name, described(token))
        return secret, token

    def revoke_live_token(self, key: str) -> None:
        """Revoke a token for live streams, given by its id or name.

        :raises AccountError: there is no such token.
        """
        with self._changing() as directory:
            left = tuple(each for each in directory.live_tokens if key not in (each.id, each.name))
            if len(left) == len(directory.live_tokens):
                raise AccountError("name", f"there is no live token {key}")
            self._write(msgspec.structs.replace(directory, live_tokens=left), "mqtt-token.revoke", key)

    # File

    def forget_changes(self, count: int) -> None:
        """Remove the oldest changes, which are in the audit log now."""
        with self._changing() as directory:
            self._store(msgspec.structs.replace(directory, changes=directory.changes[count:]))

    def _account(self, name: str, role: Role, password: str, now: float) -> Account:
        check_password(password)
        return Account(
            name=name,
            role=role,
            password=self._hasher.hash(password),
            generation=secrets.token_hex(8),
            created_at=now,
            changed_at=now,
        )

    @contextmanager
    def _changing(self) -> Iterator[Directory]:
        make_directory(self.path.parent, 0o700)
        descriptor = open_lock(self._lock)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield self.read()
        finally:
            os.close(descriptor)

    def _write(self, directory: Directory, action: str, target: str, detail: str = "") -> None:
        if self._who:
            change = ShellChange(at=self._now(), who=self._who, action=action, target=target, detail=detail)
            directory = msgspec.structs.replace(directory, changes=noted(directory.changes, change))
        self._store(directory)

    def _store(self, directory: Directory) -> None:
        if self._damaged:
            write_atomically(self.path.with_name(f"{FILE_NAME}.damaged"), self._damaged)
            self._damaged = b""
        write_atomically(self.path, msgspec.json.format(msgspec.json.encode(directory), indent=1))


def may(role: Role, needed: Role) -> bool:
    """Return whether a role includes the needed one."""
    return ROLES.index(role) >= ROLES.index(needed)


def described(token: LiveToken) -> str:
    """Return a description of what a token for live streams allows, for the audit log."""
    bound = (*token.devices, *(f"tag {tag}" for tag in token.tags))
    days = round((token.expires_at - token.created_at) / 86400)
    devices = f"devices {', '.join(bound)}" if bound else "all devices"
    return f"topics {', '.join(token.topics)}; {devices}; {many(days, 'day')}"[:1000]


def token_digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def new_password() -> str:
    """Return a random password for the first admin."""
    return secrets.token_urlsafe(15)


def check_name(name: str) -> None:
    """Check the name of an account.

    :raises AccountError: it is not allowed.
    """
    if not _NAME.fullmatch(name):
        raise AccountError(
            "name", "must be 1 to 64 letters, digits or . _ @ -, and begin with a letter or digit"
        )


def check_password(password: str) -> None:
    """Check the length of a password.

    :raises AccountError: it is too short or too long.
    """
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise AccountError("password", f"must have {MIN_PASSWORD} to {MAX_PASSWORD} characters")


def _role(role: str) -> Role:
    for each in ROLES:
        if each == role:
            return each
    raise AccountError("role", f"must be one of {', '.join(ROLES)}")


def _found(directory: Directory, name: str) -> Account:
    account = directory.account(name)
    if account is None:
        raise AccountError("name", f"there is no account {name}")
    return account


def _check_new(directory: Directory, name: str) -> None:
    if directory.account(name) is not None:
        raise AccountError("name", f"there is an account {name} already")


def _check_admin_left(before: tuple[Account, ...], after: tuple[Account, ...]) -> None:
    if _has_admin(before) and not _has_admin(after):
        raise AccountError("name", "this is the last admin: make another account admin first")


def _has_admin(accounts: tuple[Account, ...]) -> bool:
    return any(account.role == "admin" for account in accounts)
