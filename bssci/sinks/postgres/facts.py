"""Facts of a batch about devices and gateways, one row for each, however often they occur in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from bssci.sinks.postgres.rows import DeviceFacts, EventRows, GatewayFacts

_DEVICE_FACTS = ("name", "model", "decoder", "parent", "port", "tags", "location")
_GATEWAY_FACTS = ("name", "location")
DeviceValues = tuple[Any, ...]
GatewayValues = tuple[Any, ...]


def devices_of(units: Iterable[EventRows], known: Collection[tuple[datetime, str]]) -> list[DeviceValues]:
    """Return rows of the staging table ``device``, in the order of ids, in which they are locked.

    :param known: received_at and id of the raw rows that were stored and counted before.
    """
    rows: dict[str, list[Any]] = {}
    counted: set[tuple[datetime, str]] = set(known)
    for unit in units:
        keys = [row[:2] for row in unit.raw]
        fresh = [key for key in keys if key not in counted]
        counted.update(fresh)
        for facts in unit.devices:
            row = rows.get(facts.id)
            if row is None:
                rows[facts.id] = row = [facts, facts.at, facts.at, 0]
            else:
                _learn(row[0], facts, _DEVICE_FACTS)
                row[1] = min(row[1], facts.at)
                row[2] = max(row[2], facts.at)
            row[3] += len(fresh)
    return [_device_row(*rows[each]) for each in sorted(rows)]


def _device_row(facts: DeviceFacts, first: datetime, last: datetime, count: int) -> DeviceValues:
    return (
        facts.id, facts.kind, facts.name, facts.model, facts.decoder, facts.parent, facts.port, facts.tags,
        facts.location, first, last, count,
    )  # fmt: skip


def gateways_of(units: Iterable[EventRows]) -> list[GatewayValues]:
    """Return rows of the staging table ``gateway``, in the order of ids."""
    rows: dict[str, list[Any]] = {}
    for unit in units:
        for station in unit.stations:
            row = rows.get(station)
            if row is None:
                rows[station] = [GatewayFacts(station, "station", unit.at), unit.at, None, None, None, None]
            elif row[1] < unit.at:
                row[1] = unit.at
        for facts in unit.gateways:
            row = rows.get(facts.id)
            if row is None:
                rows[facts.id] = row = [facts, facts.at, None, None, None, None]
            else:
                _learn(row[0], facts, _GATEWAY_FACTS)
                row[1] = max(row[1], facts.at)
            if facts.state is not None and (row[3] is None or facts.at >= row[3]):
                row[2:4] = facts.state, facts.at
            if facts.status is not None and (row[5] is None or facts.at >= row[5]):
                row[4:6] = facts.status, facts.at
    return [_gateway_row(*rows[each]) for each in sorted(rows)]


def _gateway_row(
    facts: GatewayFacts,
    last_seen: datetime,
    state: str | None,
    state_at: datetime | None,
    status: str | None,
    status_at: datetime | None,
) -> GatewayValues:
    return (
        facts.id, facts.kind, facts.name, facts.location, state, state_at, last_seen, status, status_at,
    )  # fmt: skip


def _learn(known: Any, facts: Any, names: Iterable[str]) -> None:
    for name in names:
        news = getattr(facts, name)
        if news is not None:
            setattr(known, name, news)
