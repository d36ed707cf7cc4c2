"""Tokens for live streams."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from bssci.web.access.live_tokens import (
    CONNECTIONS,
    DAYS,
    EVERYTHING,
    MAX_CONNECTIONS,
    MAX_DAYS,
    MAX_DESCRIPTION,
    MAX_DEVICE,
    MAX_DEVICES,
    MAX_TAG,
    MAX_TAGS,
    MAX_TOPIC,
    MAX_TOPICS,
)
from bssci.web.api.schemas.accounts import NewName
from bssci.web.api.schemas.common import Answer
from bssci.web.http.replies import Done


def _up_to(most: int) -> dict[str, int]:
    """Return the bounds of a number as JSON schema."""
    return {"minimum": 1, "maximum": most}


def _text_up_to(longest: int) -> dict[str, int]:
    """Return the bounds of a text's length as JSON schema."""
    return {"minLength": 1, "maxLength": longest}


class NewLiveToken(msgspec.Struct, kw_only=True):
    """A token for live streams to create. The bounds are checked where it is made."""

    name: NewName
    description: Annotated[str, Meta(extra_json_schema={"maxLength": MAX_DESCRIPTION})] = ""
    expires_in_days: Annotated[
        int, Meta(description="days until it expires", extra_json_schema=_up_to(MAX_DAYS))
    ] = DAYS
    topics: Annotated[
        list[Annotated[str, Meta(extra_json_schema=_text_up_to(MAX_TOPIC))]],
        Meta(description="topic filters that may be read", extra_json_schema={"maxItems": MAX_TOPICS}),
    ] = msgspec.field(default_factory=lambda: list(EVERYTHING))
    devices: Annotated[
        list[Annotated[str, Meta(extra_json_schema=_text_up_to(MAX_DEVICE))]],
        Meta(
            description="ids of devices, or EUIs of sensors, whose messages may be read; none: all",
            extra_json_schema={"maxItems": MAX_DEVICES},
        ),
    ] = []
    tags: Annotated[
        list[Annotated[str, Meta(extra_json_schema=_text_up_to(MAX_TAG))]],
        Meta(
            description="tags of sensors whose messages may be read, too",
            extra_json_schema={"maxItems": MAX_TAGS},
        ),
    ] = []
    connections: Annotated[
        int, Meta(description="connections at a time", extra_json_schema=_up_to(MAX_CONNECTIONS))
    ] = CONNECTIONS


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
