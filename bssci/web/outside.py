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
from bssci.model import AnyEvent

Decode = Callable[[Sequence[AnyEvent]], Deferred[list[AnyEvent]]]
"""adds readings to events; the Deferred never fails"""


@dataclass(frozen=True)
class Outside:
    """Access to parts of the service that the center does not know.

    :ivar listening: returns whether base stations can connect.
    :ivar station_ports: returns the TCP ports on which base stations connect.
    :ivar refused_connections: returns the number of base stations' connections that were refused or given
        up since the start, by reason.
    :ivar take_certificates: loads certificates for base stations if their files changed; fires when they
        are in use.
    :ivar replays: carries out replays; None: not available.
    :ivar alarm_trial: tests the channels of alarms; None: there are none.
    :ivar alarm_channels: returns mail and webhook, if they are set, with the state of each.
    :ivar decoders: decoders of the service; None: it has none.
    :ivar live_sessions: sessions of clients of the live stream, as the journal held them at the start.
    """

    listening: Callable[[], bool] = lambda: True
    station_ports: Callable[[], Sequence[int]] = tuple
    refused_connections: Callable[[], Mapping[str, int]] = dict
    take_certificates: Callable[[], Deferred[None]] = lambda: succeed(None)
    alarm_trial: AlarmTrial | None = None
    alarm_channels: Callable[[], Sequence[ChannelState]] = list
    decoders: Decoders | None = None
    replays: Replaying | None = None
    live_sessions: Mapping[str, LiveSession] = field(default_factory=dict)

    @property
    def decode(self) -> Decode:
        """Function that adds readings to events; without decoders they stay as they are."""
        return _undecoded if self.decoders is None else self.decoders.decode

    @property
    def decode_stored(self) -> Decode:
        """The same for stored events that somebody looks at: it counts for no decoder."""
        return _undecoded if self.decoders is None else self.decoders.decode_stored


def _undecoded(events: Sequence[AnyEvent]) -> Deferred[list[AnyEvent]]:
    return succeed(list(events))
