"""Interface of the web admin to the service around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred, succeed

from bssci.center.alarms.conditions import ChannelState
from bssci.center.alarms.trial import AlarmTrial
from bssci.center.decoding.decoders import Decoders
from bssci.center.replays import Replaying
from bssci.journal import LiveSession


@dataclass(frozen=True)
class Outside:
    """Facts of the service about parts that the center does not know.

    :ivar listening: whether base stations can connect.
    :ivar refused_connections: how many of base stations were refused or given up since the start, by reason.
    :ivar take_certificates: looks whether their files changed; fires when new ones are in force for stations.
    :ivar replays: carries out replays; None: nothing does.
    :ivar alarm_trial: tests the ways by which alarms are told; None: there are none.
    :ivar alarm_channels: mail and webhook, if they are set, and how each is.
    :ivar decoders: those of the service; None: it has none.
    :ivar live_sessions: sessions of clients of the live stream, as the journal held them at the start.
    """

    listening: Callable[[], bool] = lambda: True
    refused_connections: Callable[[], Mapping[str, int]] = dict
    take_certificates: Callable[[], Deferred[None]] = lambda: succeed(None)
    alarm_trial: AlarmTrial | None = None
    alarm_channels: Callable[[], Sequence[ChannelState]] = list
    decoders: Decoders | None = None
    replays: Replaying | None = None
    live_sessions: Mapping[str, LiveSession] = field(default_factory=dict)
