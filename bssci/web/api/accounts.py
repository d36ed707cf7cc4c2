"""Logging in and out, one's sessions; accounts and tokens for administrators."""

from __future__ import annotations

from typing import Any

import msgspec

from bssci.web.access.accounts import ROLES, AccountError, AccountFile, check_password
from bssci.web.api.schemas import TEXT, choice, json_body, list_of, object_of, success
from bssci.web.context import Context
from bssci.web.http.call import Call, Reply, member
from bssci.web.http.errors import ApiError, invalid, not_found
from bssci.web.http.guard import cleared_cookie, session_cookie
from bssci.web.http.routing import route
from bssci.web.reports.facade import Views

ROLE = choice(*ROLES)


class AccountRoutes:
    """See the module."""

    def __init__(self, context: Context, views: Views) -> None:
        self._context = context
        self._views = views.accounts
        self._guard = context.guard

    @property
    def _file(self) -> AccountFile:
        return self._guard.file

    # oneself

    @route(
        "POST",
        "/api/login",
        None,
        "Log in",
        body=json_body(object_of(("username", "password"), username=TEXT, password=TEXT)),
        answer=success(csrf=TEXT),
    )
    async def log_in(self, call: Call) -> Reply:
        body = call.json()
        name, password = member(body, "username", str), member(body, "password", str)
        try:
            secret, session = await self._guard.log_in(
                name, password, call.address, call.header("user-agent")
            )
        except ApiError as error:
            if error.status == 401:
                await self._context.audit.note(call.named(self._guard.shown(name)), "login.refused")
            raise
        await self._context.audit.note(call.named(session.account), "login")
        return _json({"success": True, "csrf": session.csrf}, session_cookie(call.request, secret))

    @route("POST", "/api/logout", "viewer", "Log out", answer=success())
    async def log_out(self, call: Call) -> Reply:
        if call.identity.session is not None:
            self._guard.sessions.end(call.identity.session)
            await self._guard.sessions.save()
            await self._context.audit.note(call.asker, "logout")
        return _json({"success": True}, cleared_cookie(call.request))

    @route(
        "POST",
        "/api/setup",
        None,
        "The first account, by the link that the log shows while there is none",
        body=json_body(
            object_of(("token", "username", "password"), token=TEXT, username=TEXT, password=TEXT)
        ),
        answer=success(),
    )
    async def set_up(self, call: Call) -> dict[str, Any]:
        body = call.json()
        token, name = member(body, "token", str), member(body, "username", str)
        account = await self._guard.set_up(token, name, member(body, "password", str))
        await self._context.audit.record(call.named(account.name), "account.add", account.name, "set-up")
        return {"success": True}

    @route("GET", "/api/me", "viewer", "Who asks")
    async def me(self, call: Call) -> dict[str, Any]:
        return await self._views.me(call.identity)

    @route(
        "POST",
        "/api/me/password",
        "viewer",
        "A new password for oneself; ends all sessions, a new one begins",
        body=json_body(object_of(("password", "new_password"), password=TEXT, new_password=TEXT)),
        answer=success(csrf=TEXT),
    )
    async def change_password(self, call: Call) -> Reply:
        session = call.identity.session
        if session is None:
            raise ApiError(403, "forbidden", "a token has no password")
        body = call.json()
        old, new = member(body, "password", str), member(body, "new_password", str)
        try:
            await self._guard.verify(session.account, old, call.address)
        except ApiError as error:
            raise invalid("password", "is wrong") if error.status == 401 else error from None
        try:
            check_password(new)
        except AccountError as error:
            raise invalid("new_password", str(error)) from None
        async with self._context.audit.around(call.asker, "account.password", session.account):
            account = await self._guard.changed(self._file.set_password, session.account, new)
        secret, fresh = self._guard.sessions.begin(account, call.address, call.header("user-agent"))
        await self._guard.sessions.save()
        return _json({"success": True, "csrf": fresh.csrf}, session_cookie(call.request, secret))

    @route("GET", "/api/sessions", "viewer", "One's own sessions")
    async def sessions(self, call: Call) -> dict[str, Any]:
        return await self._views.sessions(call.identity)

    @route("DELETE", "/api/sessions/{id}", "viewer", "End one of one's own sessions", answer=success())
    async def end_session(self, call: Call) -> dict[str, Any]:
        own = call.identity.session
        mine = self._guard.sessions.of(own.account) if own is not None else []
        session = next((each for each in mine if each.handle == call.path["id"]), None)
        if session is None:
            raise not_found("there is no such session")
        self._guard.sessions.end(session)
        await self._guard.sessions.save()
        await self._context.audit.note(call.asker, "session.end", session.handle)
        return {"success": True}

    # everybody

    @route(
        "GET", "/api/accounts", "admin", "Accounts", answer=object_of(accounts=list_of({"type": "object"}))
    )
    async def accounts(self, call: Call) -> dict[str, Any]:
        return await self._views.list()

    @route(
        "POST",
        "/api/accounts",
        "admin",
        "Add an account",
        body=json_body(object_of(("name", "role", "password"), name=TEXT, role=ROLE, password=TEXT)),
        answer=success(),
    )
    async def add(self, call: Call) -> dict[str, Any]:
        body = call.json()
        name, role = member(body, "name", str), member(body, "role", str)
        password = member(body, "password", str)
        async with self._context.audit.around(call.asker, "account.add", name, role):
            await self._guard.changed(self._file.add, name, role, password)
        return {"success": True}

    @route(
        "POST",
        "/api/accounts/{name}",
        "admin",
        "Change an account's role or password; a new password ends its sessions",
        body=json_body(object_of(role=ROLE, password=TEXT)),
        answer=success(),
    )
    async def change(self, call: Call) -> dict[str, Any]:
        body, name = call.json(), call.path["name"]
        if not body.keys() & {"role", "password"}:
            raise ApiError(422, "invalid", "role or password must be given", "role")
        self._check_exists(name)
        if "role" in body:
            role = member(body, "role", str)
            async with self._context.audit.around(call.asker, "account.role", name, role):
                await self._guard.changed(self._file.set_role, name, role)
        if "password" in body:
            password = member(body, "password", str)
            async with self._context.audit.around(call.asker, "account.password", name):
                await self._guard.changed(self._file.set_password, name, password)
        return {"success": True}

    @route("DELETE", "/api/accounts/{name}", "admin", "Remove an account", answer=success())
    async def remove(self, call: Call) -> dict[str, Any]:
        name = call.path["name"]
        self._check_exists(name)
        async with self._context.audit.around(call.asker, "account.remove", name):
            await self._guard.changed(self._file.remove, name)
        return {"success": True}

    @route("GET", "/api/tokens", "admin", "API tokens")
    async def tokens(self, call: Call) -> dict[str, Any]:
        return await self._views.tokens()

    @route(
        "POST",
        "/api/tokens",
        "admin",
        "Create an API token; it is shown this once",
        body=json_body(object_of(("name", "role"), name=TEXT, role=ROLE)),
        answer=success(token=TEXT),
    )
    async def create_token(self, call: Call) -> dict[str, Any]:
        body = call.json()
        name, role = member(body, "name", str), member(body, "role", str)
        async with self._context.audit.around(call.asker, "token.create", name, role):
            token = await self._guard.changed(self._file.create_token, name, role)
        return {"success": True, "token": token}

    @route("DELETE", "/api/tokens/{name}", "admin", "Revoke an API token", answer=success())
    async def revoke_token(self, call: Call) -> dict[str, Any]:
        name = call.path["name"]
        if all(token.name != name for token in self._guard.directory.tokens):
            raise not_found("there is no such token")
        async with self._context.audit.around(call.asker, "token.revoke", name):
            await self._guard.changed(self._file.revoke_token, name)
        return {"success": True}

    def _check_exists(self, name: str) -> None:
        if self._guard.directory.account(name) is None:
            raise not_found("there is no such account")


def _json(body: dict[str, Any], cookie: str) -> Reply:
    return Reply(msgspec.json.encode(body), headers={"Set-Cookie": cookie})
