"""Accounts, tokens and sessions, for administrators and for their owners; without hashes and secrets."""

from __future__ import annotations

from typing import Any

from bssci.web.access.live_tokens import LiveToken
from bssci.web.access.sessions import Identity
from bssci.web.access.uses import Use
from bssci.web.context import Context


class AccountViews:
    """Reports on accounts, tokens and sessions."""

    def __init__(self, context: Context) -> None:
        self._guard = context.guard
        self._door = context.door
        self._now = context.now

    async def list(self) -> dict[str, Any]:
        return {
            "accounts": [
                _last("login", self._guard.uses.log_in_to(account.name))
                | {
                    "name": account.name,
                    "role": account.role,
                    "created_at": account.created_at,
                    "changed_at": account.changed_at,
                    "sessions": len(self._guard.sessions.of(account.name)),
                }
                for account in sorted(self._guard.directory.accounts, key=lambda account: account.name)
            ]
        }

    async def tokens(self) -> dict[str, Any]:
        return {
            "tokens": [
                {"name": token.name, "role": token.role, "created_at": token.created_at}
                | _last("used", self._guard.uses.of_token(token))
                for token in sorted(self._guard.directory.tokens, key=lambda token: token.name)
            ]
        }

    async def live_tokens(self) -> dict[str, Any]:
        """Return the tokens for live streams, and how each was used."""
        tokens = sorted(self._guard.directory.live_tokens, key=lambda token: token.name)
        return {"tokens": [self.live_token(token) for token in tokens]}

    def live_token(self, token: LiveToken) -> dict[str, Any]:
        """Return one token for live streams, without its secret."""
        use = self._door.uses.get(token.id)
        return {
            "token_id": token.id,
            "name": token.name,
            "description": token.description,
            "role": "viewer",
            "created_at": token.created_at,
            "expires_at": token.expires_at,
            "expired": self._now() >= token.expires_at,
            "permissions": {"subscribe": list(token.topics), "publish": []},
            "devices": list(token.devices),
            "tags": list(token.tags),
            "max_connections": token.connections,
            "connections": self._door.connections_of(token.id),
        } | _last("used", use)

    async def sessions(self, identity: Identity) -> dict[str, Any]:
        """Return the caller's sessions, with the current one marked."""
        own = identity.session
        return {
            "sessions": []
            if own is None
            else [
                {
                    "id": session.handle,
                    "created_at": session.created_at,
                    "seen_at": session.seen_at,
                    "address": session.address,
                    "agent": session.agent,
                    "current": session is own,
                }
                for session in self._guard.sessions.of(own.account)
            ]
        }

    async def me(self, identity: Identity) -> dict[str, Any]:
        """Return the name and role of the caller's account."""
        session = identity.session
        return {
            "name": identity.name,
            "role": identity.role,
            "csrf": session.csrf if session else None,
        }


def _last(what: str, use: Use | None) -> dict[str, Any]:
    """Return time and address of the last use; None if there was none."""
    return {f"last_{what}_at": use.at if use else None, "last_address": use.address if use else None}
