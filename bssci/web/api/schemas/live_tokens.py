"""Tokens for live streams."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from bssci.web.access.live_tokens import CONNECTIONS, DAYS, EVERYTHING
from bssci.web.api.schemas.common import Answer
from bssci.web.http.replies import Done


class NewLiveToken(msgspec.Struct, kw_only=True):
    """A token for live streams to create."""

    name: str
    description: str = ""
    expires_in_days: Annotated[int, Meta(description="days until it expires")] = DAYS
    topics: Annotated[list[str], Meta(description="topic filters that may be read")] = msgspec.field(
        default_factory=lambda: list(EVERYTHING)
    )
    devices: Annotated[
        list[str],
        Meta(description="ids of devices, or EUIs of sensors, whose messages may be read; none: all"),
    ] = []
    tags: Annotated[list[str], Meta(description="tags of sensors whose messages may be read, too")] = []
    connections: Annotated[int, Meta(description="connections at a time")] = CONNECTIONS


class Permissions(Answer):
    """Permissions of a token: nothing can be published with one."""

    subscribe: list[str]
    publish: list[str]


class CreatedLiveToken(Done):
    """The token, which is shown only once."""

    token_id: str
    token: str
    expires_at: Annotated[float, Meta(description="Unix seconds")]
    permissions: Permissions


class OneLiveToken(Answer):
    """A token for live streams, without its secret."""

    token_id: str
    name: str
    description: str
    role: str
    created_at: float
    expires_at: float
    expired: bool
    permissions: Permissions
    devices: list[str]
    tags: list[str]
    max_connections: int
    connections: Annotated[int, Meta(description="connections now")]
    last_used_at: float | None
    last_address: str | None


class LiveTokenList(Answer):
    """Every token for live streams, by name."""

    tokens: list[OneLiveToken]
