"""Results of one read of a base station's socket, which are stored by one commit and answered after it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred

from bssci.journal import Registration
from bssci.model import AnyEvent, Reception
from bssci.wire.messages import Message


@dataclass(slots=True)
class ReadBatch:
    """Results of one read of the socket, which are stored together and answered together.

    Filled by the ``handle_`` and ``finish_`` methods.
    """

    receptions: list[Reception] = field(default_factory=list)
    events: list[AnyEvent] = field(default_factory=list)
    registrations: list[Registration] = field(default_factory=list)
    """registrations that the station has once it has our answer"""
    answered: list[Registration] = field(default_factory=list)
    """registrations that the station has answered with, and so has whatever becomes of this batch"""
    news: list[AnyEvent] = field(default_factory=list)
    """events about these answers, which are not given again: published later if not with this batch"""
    stored: list[Deferred[Any]] = field(default_factory=list)
    """journal writes that a handler started itself; the answers wait for them, too"""
    answers: list[Message] = field(default_factory=list)
    """responses to requests of the station, to be sent when all of the above is on disk"""
    closed: list[int] = field(default_factory=list)
    """opIds of our operations that are over"""
    completions: list[Message] = field(default_factory=list)
    """completions of our operations, to be sent when all of the above is on disk"""
    at_once: list[Message] = field(default_factory=list)
    """errors and other messages that need no write"""
    generation: int = 0
    """generation of the session when the messages were received: answers to an older one are void"""
