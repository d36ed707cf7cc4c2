"""Rows of the tables for one event."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from bssci.sinks.postgres.texts import StorableTexts


class RawRow(NamedTuple):
    """A row of ``raw``."""

    received_at: datetime
    id: str
    device: str
    gateway: str
    source: str
    payload: str
    """the telegram as JSON"""
    bytes: bytes


class ReadingRow(NamedTuple):
    """A row of ``reading``."""

    time: datetime
    device: str
    name: str
    value: float | None
    text: str | None
    unit: str | None
    id: str
    gateway: str
    decoder: str
    topic: str | None


class EventRow(NamedTuple):
    """A row of ``event``."""

    time: datetime
    kind: str
    device: str | None
    gateway: str | None
    body: str
    """the event as JSON"""
    id: str


class DecodedMark(NamedTuple):
    """A telegram that was decoded: its earlier readings that did not come again are deleted."""

    time: datetime
    id: str


@dataclass(slots=True)
class DeviceFacts:
    """News of a device in an event; None means unchanged."""

    id: str
    kind: str
    at: datetime
    name: str | None = None
    model: str | None = None
    decoder: str | None = None
    parent: str | None = None
    port: str | None = None
    tags: str | None = None
    """tags as a JSON array"""
    location: str | None = None
    """place as a JSON object"""


@dataclass(slots=True)
class GatewayFacts:
    """News of a gateway in an event; None means unchanged."""

    id: str
    kind: str
    at: datetime
    name: str | None = None
    location: str | None = None
    """place as a JSON object"""
    state: str | None = None
    status: str | None = None
    """last report as a JSON object"""


class Aside(NamedTuple):
    """A row of ``set_aside``."""

    time: datetime
    id: str
    reason: str
    body: str


TableRow = RawRow | ReadingRow | EventRow


@dataclass(slots=True)
class EventRows:
    """All rows of one event.

    :ivar event: the event that they were made from.
    """

    event: Any
    id: str
    at: datetime
    raw: list[RawRow] = field(default_factory=list)
    readings: list[ReadingRow] = field(default_factory=list)
    decoded: list[DecodedMark] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    devices: list[DeviceFacts] = field(default_factory=list)
    """the sender, if there is one, before the others"""
    gateways: list[GatewayFacts] = field(default_factory=list)
    stations: list[str] = field(default_factory=list)
    """base stations of which nothing is known but that they heard the event"""
    asides: list[Aside] = field(default_factory=list)
    texts: StorableTexts = field(default_factory=StorableTexts)

    def rows(self) -> Iterator[TableRow]:
        """Yield each row that could be at fault if the event cannot be stored."""
        yield from self.raw
        yield from self.readings
        yield from self.events

    def only(self, kept: set[int]) -> EventRows:
        """Return the event with those of its rows whose :func:`id` is in ``kept``."""
        return EventRows(
            self.event,
            self.id,
            self.at,
            raw=[row for row in self.raw if id(row) in kept],
            readings=[row for row in self.readings if id(row) in kept],
            decoded=self.decoded,
            events=[row for row in self.events if id(row) in kept],
            devices=self.devices,
            gateways=self.gateways,
            stations=self.stations,
            asides=self.asides,
        )

    def without_facts(self) -> EventRows:
        """Return the event with nothing but ids and kinds of its devices and gateways."""
        return replace(
            self,
            devices=[DeviceFacts(facts.id, facts.kind, facts.at) for facts in self.devices],
            gateways=[GatewayFacts(facts.id, facts.kind, facts.at) for facts in self.gateways],
        )
