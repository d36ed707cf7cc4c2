"""Identification and permission: who a cookie or token belongs to, what they may do, and logging in."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import IO, Any

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.logger import Logger
from twisted.web.http import Request

from bssci.system.files import hold_room
from bssci.system.watching import MISSING
from bssci.web.access.accounts import (
    TOKEN_PREFIX,
    Account,
    AccountError,
    AccountFile,
    Directory,
    may,
    token_digest,
)
from bssci.web.access.attempts import Attempts
from bssci.web.access.csrf import shows
from bssci.web.access.sessions import LIFE, Identity, WebSession, WebSessions, same
from bssci.web.access.uses import Uses
from bssci.web.http.errors import ApiError
from bssci.web.http.proxies import visit_of
from bssci.web.http.routing import Route

COOKIE = "bssci_session"
"""beginning of the name of the session's cookie; browsers send a cookie to every port of a host"""
SECURE = "__Secure-"
"""beginning of the names of cookies that browsers take over TLS only"""
CSRF_HEADER = "x-csrf-token"
HASHES_AT_A_TIME = 2
MAX_WAITING = 20
"""log-ins that may wait for a hash; one more is refused"""
LOG_IN = "log in first, or send a token as Authorization: Bearer"
NO_SUCH_TOKEN = "this is no valid token: it is mistyped, revoked, or for live streams only"


class Guard:
    """The check of every request: its actor, and whether the route is open to them.

    :param run_in_thread: ``deferToThread``: hashing and reading files take time.
    """

    log = Logger()

    def __init__(
        self,
        file: AccountFile,
        sessions: WebSessions,
        attempts: Attempts,
        uses: Uses,
        run_in_thread: Callable[..., Deferred[Any]],
    ) -> None:
        self.file = file
        self.sessions = sessions
        self._attempts = attempts
        self.uses = uses
        self._run_in_thread = run_in_thread
        self._hashing = DeferredSemaphore(HASHES_AT_A_TIME)
        self._stamp = file.stamp()
        self._trouble = ""
        """reason why the file could not be read last; empty: it could"""
        self.directory = self._first_read()
        closed = self.directory.accounts or self._trouble
        self.setup_secret = "" if closed else secrets.token_urlsafe(24)
        """secret of the one-time set-up link; empty as soon as there is an account"""

    def _first_read(self) -> Directory:
        """Return the accounts; none if they cannot be read, as everything else is to work all the same."""
        try:
            return self.file.read()
        except (AccountError, OSError) as error:
            self._trouble = str(error)
            if isinstance(error, OSError):
                self._stamp = MISSING  # the next request tries again
            self.log.error("nobody can log in, accounts not readable {error}", error=self._trouble)
            return Directory()

    # Identification

    def is_stale(self) -> bool:
        """Return whether the file of accounts changed since it was read, perhaps by the command line."""
        return self.file.stamp() != self._stamp

    async def refresh(self) -> None:
        """Read the accounts again if they changed."""
        stamp = self.file.stamp()
        if stamp == self._stamp:
            return
        if stamp == MISSING and self.directory.accounts:
            # Somebody has moved it, or its disk is not there: nobody is to be locked out for that.
            self.log.error("{path} is gone, the earlier accounts stay until a restart", path=self.file.path)
            self._stamp = stamp
            return
        try:
            self.directory = await self._run_in_thread(self.file.read)
        except (AccountError, OSError) as error:
            if str(error) != self._trouble:
                self.log.error("accounts not readable, the earlier ones stay {error}", error=str(error))
            self._trouble = str(error)
            if isinstance(error, OSError):
                return  # the next request tries again
        else:
            self._trouble = ""
            self.uses.keep(self.directory)
        self._stamp = stamp
        if self.directory.accounts:
            self.setup_secret = ""

    def identify(self, request: Request, is_seen: bool = True) -> Identity | None:
        """Return who sends a request, by the accounts last read; None if it shows no valid token or cookie.

        :param is_seen: the request counts as a use of the token, or as activity of the session.
        """
        authorization = request.getHeader("authorization") or ""
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return self._of_token(secret.strip(), visit_of(request).address if is_seen else None)
        cookies = (request.getCookie(name.encode()) for name in _cookie_names(request))
        found = (self._of_cookie(each.decode("ascii", "replace"), is_seen) for each in cookies if each)
        return next(filter(None, found), None)

    def _of_token(self, secret: str, address: str | None) -> Identity | None:
        if not secret.startswith(TOKEN_PREFIX):
            return None
        digest = token_digest(secret)
        for token in self.directory.tokens:
            if same(token.digest, digest):
                if address is not None:
                    self.uses.token_used(token, address)
                return Identity(f"token {token.name}", token.role)
        return None

    def _of_cookie(self, secret: str, is_seen: bool) -> Identity | None:
        session = self.sessions.find(secret, is_seen)
        if session is None:
            return None
        account = self.directory.account(session.account)
        if account is None or account.generation != session.generation:
            self.sessions.end(session)
            return None
        return Identity(account.name, account.role, session)

    def check(
        self, route: Route, identity: Identity | None, csrf: str, shows_authorization: bool = False
    ) -> None:
        """Check that a route is open to the caller.

        :param shows_authorization: the request has a header ``Authorization``.
        :raises ApiError: 401 or 403.
        """
        if route.role is None:
            return
        if identity is None:
            raise ApiError(401, "unauthorized", NO_SUCH_TOKEN if shows_authorization else LOG_IN)
        if not may(identity.role, route.role):
            raise ApiError(
                403, "forbidden", f"needs the role {route.role}; {identity.name} is {identity.role}"
            )
        session = identity.session
        if route.changes and session is not None and not shows(csrf, session.csrf):
            raise ApiError(403, "csrf", "X-CSRF-Token is missing or wrong: load the page again")

    # Logging in

    async def log_in(self, name: str, password: str, address: str, agent: str) -> tuple[str, WebSession]:
        """Begin a session; return the cookie's secret, and the session.

        :raises ApiError: 401; 429 after too many failures; 503 while too many try at once.
        """
        account = await self.verify(name, password, address)
        await self.refresh()
        secret, session = self.sessions.begin(account, address, agent)
        self.uses.logged_in(account.name, address)
        await self.sessions.save()
        self.log.info("logged in {account} {address}", account=account.name, address=address)
        return secret, session

    async def verify(self, name: str, password: str, address: str) -> Account:
        """Return the account, if the password is right.

        :raises ApiError: 401; 429 after too many failures; 503 while too many try at once.
        """
        wait = self._attempts.wait(name, address)
        if wait > 0:
            raise ApiError(429, "too_many_attempts", f"try again in {wait:.0f} s", retry_after=wait)
        self._attempts.failed(name, address)
        await self._attempts.slow_down()
        try:
            account: Account | None = await self.hashed(self.file.verify, name, password)
        except ApiError:  # too many are waiting
            self._attempts.void(name, address)
            raise
        except (AccountError, OSError) as error:
            self._attempts.void(name, address)
            self.log.error("nobody can log in, accounts not readable {error}", error=str(error))
            raise ApiError(
                503, "unavailable", f"{self.file.path.name} cannot be read, see the log"
            ) from error
        if account is None:
            self.log.warn("log-in refused {account} {address}", account=self.shown(name), address=address)
            raise ApiError(401, "wrong_credentials", "name or password is wrong")
        self._attempts.succeeded(name, address)
        return account

    def shown(self, name: str) -> str:
        """Return a name as logs show it: "(no account)" if it is not one, as people type passwords into the
        wrong field.
        """
        return name if self.directory.account(name) is not None else "(no account)"

    def check_set_up(self, secret: str) -> None:
        """Check the secret of the link from the log.

        :raises ApiError: 403 if the link was used already or is wrong.
        """
        if not self.setup_secret or not same(secret, self.setup_secret):
            raise ApiError(403, "forbidden", "this set-up link is wrong, or there is an account already")

    async def set_up(self, secret: str, name: str, password: str) -> Account:
        """Add the first account, for somebody who has the link from the log.

        :raises ApiError: 403 if the link was used already or is wrong; 422 for a name or password that is
            not allowed.
        """
        self.check_set_up(secret)
        account: Account | None = await self.changed(self.file.add_first, password, name)
        if account is None:
            raise ApiError(403, "forbidden", "there is an account already")
        return account

    async def room(self) -> IO[bytes]:
        """Hold what room on the disk a change of the accounts needs; closing the result gives it back.

        :raises ApiError: 503, there is too little.
        """
        try:
            held: IO[bytes] = await self._run_in_thread(hold_room, self.file.path)
        except OSError as error:
            raise self._not_written(error) from error
        return held

    def _not_written(self, error: OSError) -> ApiError:
        return ApiError(503, "unavailable", f"{self.file.path.name} cannot be written: {error.strerror}")

    async def changed(self, change: Callable[..., Any], *values: Any) -> Any:
        """Change the file of accounts, then read it again; return what ``change`` returns.

        :raises ApiError: 422 or 409, naming the field; 503 if the file cannot be written.
        """
        try:
            result = await self.hashed(change, *values)
        except AccountError as error:
            raise ApiError(422, "invalid", str(error), error.field) from error
        except OSError as error:
            raise self._not_written(error) from error
        await self.refresh()
        return result

    async def hashed(self, function: Callable[..., Any], *values: Any) -> Any:
        """Run a function that hashes in a thread, few at a time.

        :raises ApiError: 503: too many are waiting.
        """
        if len(self._hashing.waiting) >= MAX_WAITING:
            raise ApiError(503, "busy", "too many log-ins at once, try again", retry_after=5.0)
        return await self._hashing.run(self._run_in_thread, function, *values)


def cookie_name(request: Request) -> str:
    """Return the name of the session's cookie, which contains the port of the connection.

    Over TLS it has a name of its own: without TLS, browsers refuse to replace a cookie that is for TLS only,
    and nobody could log in at a host where the service, or a proxy before it, has TLS, too, or once had it.
    """
    return _cookie_names(request)[0]


def _cookie_names(request: Request) -> tuple[str, ...]:
    """Return the names under which a browser may send the session's cookie, the one to set first.

    A browser also sends the one for TLS through a proxy that does not say so.
    """
    port = getattr(request.getHost(), "port", None)
    plain = COOKIE if port is None else f"{COOKIE}_{port}"
    return (f"{SECURE}{plain}",) if visit_of(request).is_secure else (plain, f"{SECURE}{plain}")


def session_cookie(request: Request, secret: str) -> str:
    """Return the session's cookie: for this site only, not for scripts, over TLS only where there is TLS."""
    return _cookie(request, secret, int(LIFE))


def cleared_cookie(request: Request) -> str:
    """Return the cookie that ends a session in the browser."""
    return _cookie(request, "", 0)


def _cookie(request: Request, value: str, max_age: int) -> str:
    visit = visit_of(request)
    secure = "; Secure" if visit.is_secure else ""
    name, path = cookie_name(request), visit.prefix or "/"
    return f"{name}={value}; Path={path}; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}"
