"""What the messages of one read of a station's socket amount to: stored together, answered together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred

from bssci.journal import Registration
from bssci.model import AnyEvent, Reception
from bssci.wire.messages import Message


@dataclass(slots=True)
class Batch:
    """Filled by the ``handle_`` and ``finish_`` methods; see :mod:`bssci.stations.station`."""

    receptions: list[Reception] = field(default_factory=list)
    events: list[AnyEvent] = field(default_factory=list)
    registrations: list[Registration] = field(default_factory=list)
    stored: list[Deferred[Any]] = field(default_factory=list)
    """writes of the journal that a handler began itself; the answers wait for them, too"""
    answers: list[Message] = field(default_factory=list)
    """to operations of the station, due when all of the above is on disk"""
    closed: list[int] = field(default_factory=list)
    """operations of ours that are over"""
    completions: list[Message] = field(default_factory=list)
    """our last word on those, due when all of the above is on disk"""
    at_once: list[Message] = field(default_factory=list)
    """errors, and what else needs no disk"""
