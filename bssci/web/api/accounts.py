"""Log-in, log-out and own sessions; accounts and tokens for administrators."""

from __future__ import annotations

from bssci.web.access.accounts import AccountError, AccountFile, check_password
from bssci.web.api.schemas.accounts import (
    AccountChange,
    AccountList,
    CreatedToken,
    FirstAccount,
    LoggedIn,
    LogIn,
    Me,
    NewAccount,
    NewPassword,
    NewToken,
    SessionList,
    SessionsEnded,
    TokenList,
)
from bssci.web.api.schemas.common import told
from bssci.web.context import Context
from bssci.web.http.call import Call
from bssci.web.http.entrance import Entrance
from bssci.web.http.errors import ApiError, invalid, not_found
from bssci.web.http.replies import Done, Reply
from bssci.web.http.routing import route
from bssci.web.reports.facade import Views


class AccountRoutes:
    """Routes for accounts, tokens and sessions."""

    def __init__(self, context: Context, views: Views) -> None:
        self._context = context
        self._views = views.accounts
        self._guard = context.guard
        self._entrance = Entrance(context.guard, context.audit)

    @property
    def _file(self) -> AccountFile:
        return self._guard.file

    # the actor

    @route("POST", "/api/login", None, "Log in")
    async def log_in(self, call: Call, body: LogIn) -> Reply[LoggedIn]:
        session, cookie = await self._entrance.log_in(call, body.username, body.password)
        return Reply(LoggedIn(csrf=session.csrf), headers=cookie)

    @route("POST", "/api/logout", "viewer", "Log out")
    async def log_out(self, call: Call) -> Reply[Done]:
        return Reply(Done(), headers=await self._entrance.log_out(call))

    @route(
        "POST", "/api/setup", None, "The first account, by the link that the log shows while there is none"
    )
    async def set_up(self, call: Call, body: FirstAccount) -> Done:
        await self._entrance.set_up(call, body.token, body.username, body.password)
        return Done()

    @route("GET", "/api/me", "viewer", "Account or token of this request")
    async def me(self, call: Call) -> Me:
        return told(Me, await self._views.me(call.identity))

    @route(
        "POST",
        "/api/me/password",
        "viewer",
        "A new password for oneself; ends all sessions, a new one begins",
    )
    async def change_password(self, call: Call, body: NewPassword) -> Reply[LoggedIn]:
        session = call.identity.session
        if session is None:
            raise ApiError(403, "forbidden", "a token has no password")
        try:
            await self._guard.verify(session.account, body.password, call.address)
        except ApiError as error:
            raise invalid("password", "is wrong") if error.status == 401 else error from None
        try:
            check_password(body.new_password)
        except AccountError as error:
            raise invalid("new_password", str(error)) from None
        fresh, cookie = await self._entrance.new_password(call, session, body.new_password)
        return Reply(LoggedIn(csrf=fresh.csrf), headers=cookie)

    @route("GET", "/api/sessions", "viewer", "Your own sessions")
    async def sessions(self, call: Call) -> SessionList:
        return told(SessionList, await self._views.sessions(call.identity))

    @route("DELETE", "/api/sessions", "viewer", "End all your sessions but this one")
    async def end_other_sessions(self, call: Call) -> SessionsEnded:
        own = call.identity.session
        if own is None:
            raise ApiError(403, "forbidden", "a token has no sessions")
        return SessionsEnded(ended=await self._entrance.end_others(own, call.actor))

    @route("DELETE", "/api/sessions/{id}", "viewer", "End one of your own sessions")
    async def end_session(self, call: Call) -> Done:
        own = call.identity.session
        mine = self._guard.sessions.of(own.account) if own is not None else []
        session = next((each for each in mine if each.handle == call.path["id"]), None)
        if session is None:
            raise not_found("there is no such session")
        await self._entrance.end_session(session, call.actor)
        return Done()

    # all accounts

    @route("GET", "/api/accounts", "admin", "Accounts")
    async def accounts(self, call: Call) -> AccountList:
        return told(AccountList, await self._views.list())

    @route("POST", "/api/accounts", "admin", "Add an account")
    async def add(self, call: Call, body: NewAccount) -> Done:
        values = body.name, body.role, body.password
        change, add, said = self._entrance.change, self._file.add, f"role {body.role}"
        await change(call.actor, "account.add", body.name, said, add, *values)
        return Done()

    @route(
        "POST",
        "/api/accounts/{name}",
        "admin",
        "Change an account's role or password; a new password ends its sessions",
    )
    async def change(self, call: Call, body: AccountChange) -> Done:
        name = call.path["name"]
        if body.role is None and body.password is None:
            raise ApiError(422, "invalid", "role or password must be given", "role")
        self._check_exists(name)
        await self._entrance.change_account(call.actor, name, body.role, body.password)
        return Done()

    @route("DELETE", "/api/accounts/{name}", "admin", "Delete an account")
    async def remove(self, call: Call) -> Done:
        name = call.path["name"]
        self._check_exists(name)
        await self._entrance.change(call.actor, "account.remove", name, "", self._file.remove, name)
        return Done()

    @route("GET", "/api/tokens", "admin", "API tokens")
    async def tokens(self, call: Call) -> TokenList:
        return told(TokenList, await self._views.tokens())

    @route("POST", "/api/tokens", "admin", "Create an API token; it is shown only once")
    async def create_token(self, call: Call, body: NewToken) -> CreatedToken:
        name, role = body.name, body.role
        create = self._file.create_token
        token = await self._entrance.change(
            call.actor, "token.create", name, f"role {role}", create, name, role
        )
        return CreatedToken(token=token)

    @route("DELETE", "/api/tokens/{name}", "admin", "Revoke an API token")
    async def revoke_token(self, call: Call) -> Done:
        name = call.path["name"]
        if all(token.name != name for token in self._guard.directory.tokens):
            raise not_found("there is no such token")
        await self._entrance.change(call.actor, "token.revoke", name, "", self._file.revoke_token, name)
        return Done()

    def _check_exists(self, name: str) -> None:
        if self._guard.directory.account(name) is None:
            raise not_found("there is no such account")
