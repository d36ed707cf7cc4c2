"""Accounts, tokens and sessions as administrators and their owners see them: no hash, no secret."""

from __future__ import annotations

from typing import Any

from bssci.web.access.sessions import Identity
from bssci.web.context import Context


class AccountViews:
    """Reports on accounts, tokens and sessions."""

    def __init__(self, context: Context) -> None:
        self._guard = context.guard

    async def list(self) -> dict[str, Any]:
        return {
            "accounts": [
                {
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
                for token in sorted(self._guard.directory.tokens, key=lambda token: token.name)
            ]
        }

    async def sessions(self, identity: Identity) -> dict[str, Any]:
        """Return one's own sessions, the present one marked."""
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
        """Return the name and role of whoever asks."""
        session = identity.session
        return {
            "name": identity.name,
            "role": identity.role,
            "csrf": session.csrf if session else None,
        }
