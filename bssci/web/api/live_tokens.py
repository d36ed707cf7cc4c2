"""Tokens for live streams: created, listed and revoked by administrators."""

from __future__ import annotations

from bssci.web.access.accounts import described
from bssci.web.access.live_tokens import LiveToken, Wish, new_token
from bssci.web.api.schemas.common import told
from bssci.web.api.schemas.live_tokens import (
    CreatedLiveToken,
    LiveTokenList,
    NewLiveToken,
    OneLiveToken,
    Permissions,
)
from bssci.web.context import Context
from bssci.web.http.call import Call
from bssci.web.http.entrance import Entrance
from bssci.web.http.errors import not_found
from bssci.web.http.replies import Done
from bssci.web.http.routing import route
from bssci.web.reports.facade import Views


class LiveTokenRoutes:
    """Routes for tokens of live streams."""

    def __init__(self, context: Context, views: Views) -> None:
        self._context = context
        self._guard = context.guard
        self._entrance = Entrance(context.guard, context.audit)
        self._views = views.accounts

    @route("GET", "/api/mqtt-tokens", "admin", "Tokens for live streams")
    async def tokens(self, call: Call) -> LiveTokenList:
        return told(LiveTokenList, await self._views.live_tokens())

    @route("GET", "/api/mqtt-tokens/{id}", "admin", "One token for live streams")
    async def one(self, call: Call) -> OneLiveToken:
        return told(OneLiveToken, self._views.live_token(self._found(call)))

    @route("POST", "/api/mqtt-tokens", "admin", "Create a token for live streams; it is shown only once")
    async def create(self, call: Call, body: NewLiveToken) -> CreatedLiveToken:
        wish = Wish(
            name=body.name,
            description=body.description,
            expires_in_days=body.expires_in_days,
            topics=tuple(body.topics),
            devices=tuple(body.devices),
            tags=tuple(body.tags),
            connections=body.connections,
        )
        detail = described(new_token(wish, "", self._context.now()))
        create = self._guard.file.create_live_token
        secret, token = await self._entrance.change(
            call.actor, "mqtt-token.create", body.name, detail, create, wish
        )
        return CreatedLiveToken(
            token_id=token.id,
            token=secret,
            expires_at=token.expires_at,
            permissions=Permissions(subscribe=list(token.topics), publish=[]),
        )

    @route("DELETE", "/api/mqtt-tokens/{id}", "admin", "Revoke a token for live streams; its connections end")
    async def revoke(self, call: Call) -> Done:
        token = self._found(call)
        revoke = self._guard.file.revoke_live_token
        await self._entrance.change(call.actor, "mqtt-token.revoke", token.name, "", revoke, token.id)
        self._context.door.check_tokens()
        return Done()

    def _found(self, call: Call) -> LiveToken:
        key = call.path["id"]
        for token in self._guard.directory.live_tokens:
            if token.id == key:
                return token
        raise not_found("there is no such token")
