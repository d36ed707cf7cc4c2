"""Tokens for live streams: what each may read, and for how long."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

import msgspec

from bssci.model.device_id import parse_device_id
from bssci.model.live_token import ALPHABET, RANDOM, compose
from bssci.model.plain_text import CONTROLS, control_fault
from bssci.mqtt.server.topics import TopicError, check_filter
from bssci.system.utc import DAY

EVERYTHING = ("#",)
DAYS = 90
"""days until a token expires, by default"""
MAX_DAYS = 3650
CONNECTIONS = 5
"""connections at a time with a token, by default"""
MAX_CONNECTIONS = 10_000
MAX_TOPICS, MAX_TOPIC = 50, 300
MAX_DEVICES, MAX_DEVICE = 1000, 200
MAX_TAGS, MAX_TAG = 50, 100
MAX_DESCRIPTION = 200


class LiveToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token with which a program reads a live stream. Its role is viewer.

    An unknown field is refused: a damaged name of ``devices`` must not make it a token for all devices.
    """

    id: str
    name: str
    digest: str
    """SHA-256 of the token"""
    created_at: float
    """Unix seconds"""
    expires_at: float
    """Unix seconds"""
    description: str = ""
    topics: tuple[str, ...] = EVERYTHING
    """topic filters of what may be read"""
    devices: tuple[str, ...] = ()
    """ids of devices whose messages may be read; if ``tags`` is empty, too: all messages, including those
    that belong to no device
    """
    tags: tuple[str, ...] = ()
    """tags of sensors whose messages may be read in addition to those of ``devices``"""
    connections: int = CONNECTIONS
    """connections at a time, at most"""

    @property
    def is_bound(self) -> bool:
        """True if it is for some devices only."""
        return bool(self.devices or self.tags)


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A requested token for live streams."""

    name: str
    description: str = ""
    expires_in_days: int = DAYS
    topics: tuple[str, ...] = EVERYTHING
    devices: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    connections: int = CONNECTIONS


class WishError(ValueError):
    """A token is not possible as requested: one line, and the field that is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def checked(wish: Wish) -> Wish:
    """Check a wish, except for its name; return it with normalised ids of devices.

    :raises WishError: a value is not allowed.
    """
    _check_range("expires_in_days", wish.expires_in_days, MAX_DAYS)
    _check_range("connections", wish.connections, MAX_CONNECTIONS)
    if len(wish.description) > MAX_DESCRIPTION:
        raise WishError("description", f"must have {MAX_DESCRIPTION} characters at most")
    fault = control_fault(wish.description)
    if fault:
        raise WishError("description", fault)
    _check_texts("topics", wish.topics, MAX_TOPICS, MAX_TOPIC)
    _check_texts("devices", wish.devices, MAX_DEVICES, MAX_DEVICE)
    _check_texts("tags", wish.tags, MAX_TAGS, MAX_TAG)
    for topic in wish.topics:
        try:
            check_filter(topic)
        except TopicError as error:
            raise WishError("topics", f"must be topic filters; one is {error}") from None
    return msgspec.structs.replace(
        wish, devices=tuple(map(_device, wish.devices)), topics=wish.topics or EVERYTHING
    )


def new_token(wish: Wish, digest: str, now: float) -> LiveToken:
    """Return the token for a checked wish.

    :param now: Unix seconds.
    """
    return LiveToken(
        id=secrets.token_hex(6),
        name=wish.name,
        digest=digest,
        created_at=now,
        expires_at=now + wish.expires_in_days * DAY,
        description=wish.description,
        topics=wish.topics,
        devices=wish.devices,
        tags=wish.tags,
        connections=wish.connections,
    )


def draw_secret() -> str:
    """Return a random secret for a token."""
    return compose("".join(secrets.choice(ALPHABET) for _ in range(RANDOM)))


def _device(text: str) -> str:
    """Return the normalised id of a device.

    :raises WishError: the text is not an id: such a token would read nothing, and nobody would see why.
    """
    try:
        return parse_device_id(text)
    except ValueError as error:
        allowed = "must be EUIs of sensors or ids of devices, such as ble:AA:BB:CC:DD:EE:FF"
        raise WishError("devices", f"{allowed}; {error}") from None


def _check_range(field: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise WishError(field, f"must be 1 to {most}")


def _check_texts(field: str, texts: Iterable[str], most: int, longest: int) -> None:
    texts = tuple(texts)
    if len(texts) > most or any(not 1 <= len(text) <= longest for text in texts):
        raise WishError(field, f"must be {most} texts at most, of 1 to {longest} characters")
    if any(map(control_fault, texts)):
        raise WishError(field, CONTROLS)
