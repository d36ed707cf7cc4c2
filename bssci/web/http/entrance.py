"""Logging in, logging out and the first account, for forms and API alike, with cookies and audit log."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from bssci.center.audit import AuditLog
from bssci.model.commands import Actor
from bssci.model.counts import many
from bssci.web.access.accounts import Account
from bssci.web.access.sessions import WebSession
from bssci.web.http.call import Call
from bssci.web.http.errors import ApiError
from bssci.web.http.guard import Guard, cleared_cookie, session_cookie


class Entrance:
    """Changes of sessions and accounts through the guard, each recorded in the audit log."""

    def __init__(self, guard: Guard, audit: AuditLog) -> None:
        self._guard = guard
        self._audit = audit

    async def log_in(self, call: Call, name: str, password: str) -> tuple[WebSession, dict[str, str]]:
        """Return a new session, and the headers that give the browser its cookie.

        :raises ApiError: 401; 429 after too many failures; 503 while too many try at once.
        """
        try:
            secret, session = await self._guard.log_in(
                name, password, call.address, call.header("user-agent")
            )
        except ApiError as error:
            if error.status == 401:
                await self._audit.note(call.named(self._guard.shown(name)), "login.refused")
            raise
        await self._audit.note(call.named(session.account), "login")
        return session, _header(session_cookie(call.request, secret))

    async def log_out(self, call: Call) -> dict[str, str]:
        """End the caller's session; return the headers that remove the browser's cookie."""
        session = call.identity.session
        if session is not None:
            self._guard.sessions.end(session)
            await self._guard.sessions.save()
            await self._audit.note(call.actor, "logout")
        return _header(cleared_cookie(call.request))

    async def end_session(self, session: WebSession, by: Actor) -> None:
        """End a session, perhaps of another browser. It ends even if this cannot be recorded, as with
        :meth:`log_out`.
        """
        self._guard.sessions.end(session)
        await self._guard.sessions.save()
        await self._audit.note(by, "session.end", session.account, f"from {session.address}")

    async def end_others(self, kept: WebSession, by: Actor) -> int:
        """End all sessions of an account but one, as :meth:`end_session` does; return how many."""
        others = [each for each in self._guard.sessions.of(kept.account) if each is not kept]
        for session in others:
            self._guard.sessions.end(session)
        if others:
            await self._guard.sessions.save()
            await self._audit.note(by, "session.end", kept.account, many(len(others), "other"))
        return len(others)

    async def set_up(self, call: Call, token: str, name: str, password: str) -> Account:
        """Add the first account, for somebody who has the token of the link from the log.

        :raises ApiError: 403 if the link was used already or is wrong; 422 for a name or password that is
            not allowed; 503 if the file of accounts cannot be written.
        :raises bssci.journal.StorageError: it cannot be recorded, so there is no account.
        """
        self._guard.check_set_up(token)
        by = call.named(name)
        async with self._audit.around(by, "account.add", name, "set-up", hold_room=self._guard.room):
            return await self._guard.set_up(token, name, password)

    async def change(
        self, by: Actor, action: str, target: str, detail: str, change: Callable[..., Any], *values: Any
    ) -> Any:
        """Change accounts or tokens, after recording it in the audit log; return what ``change`` returns.

        :param change: a method of :class:`bssci.web.access.accounts.AccountFile`, called with ``values``.
        :raises ApiError: 422 or 409, naming the field; 503 if the file cannot be written.
        :raises bssci.journal.StorageError: the change cannot be recorded, so it does not happen.
        """
        async with self._audit.around(by, action, target, detail, hold_room=self._guard.room):
            return await self._guard.changed(change, *values)

    async def change_account(self, by: Actor, name: str, role: str | None, password: str | None) -> None:
        """Give an account another role, another password or both, as one change; raises as :meth:`change`."""
        async with AsyncExitStack() as entries:
            for action, value, detail in (("role", role, f"role {role}"), ("password", password, "")):
                if value is not None:
                    room = self._guard.room
                    entry = self._audit.around(by, f"account.{action}", name, detail, hold_room=room)
                    await entries.enter_async_context(entry)
            await self._guard.changed(partial(self._guard.file.change, role=role, password=password), name)

    async def new_password(
        self, call: Call, session: WebSession, password: str
    ) -> tuple[WebSession, dict[str, str]]:
        """Set an account's password; end all its sessions, and return a new one with its cookie.

        :raises ApiError: 422: the password is not allowed.
        """
        name, set_password = session.account, self._guard.file.set_password
        account = await self.change(call.actor, "account.password", name, "", set_password, name, password)
        secret, fresh = self._guard.sessions.begin(account, call.address, call.header("user-agent"))
        await self._guard.sessions.save()
        return fresh, _header(session_cookie(call.request, secret))


def _header(cookie: str) -> dict[str, str]:
    return {"Set-Cookie": cookie}
