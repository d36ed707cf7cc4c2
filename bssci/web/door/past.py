"""The past for clients: last values when they subscribe, and messages that they missed.

    SUBSCRIBE --> devices and stations that the filters can match --> last event of each --> retained messages
    CONNECT with an earlier session --> journal, from its position on --> [gap] --> new events

Both are no faster than the client reads, and only a few steps run at a time for all clients together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from twisted.internet.defer import DeferredSemaphore

from bssci.center.alarms.alarms import change_of
from bssci.center.service_center import ServiceCenter
from bssci.model import EUI, AnyEvent
from bssci.model.device_id import eui_of_device, sensor_device
from bssci.mqtt import payloads
from bssci.mqtt.server.packets import EncodedMessage, encode_message
from bssci.mqtt.server.topics import matches, overlap
from bssci.mqtt.values import Publication
from bssci.system.clock import Clock, pause, turn
from bssci.web.door.client import LiveClient, Outgoing
from bssci.web.door.last_values import LastValues, station_key
from bssci.web.door.messages import DEVICES, Narrator, device_of_level, gap
from bssci.web.outside import Decode

MAX_AGE = 3600.0
"""age in s up to which missed messages are sent"""
MAX_MESSAGES = 10_000
"""missed messages that a client gets, at most"""
MAX_LOOKED_AT = 100_000
"""events that are searched for them, at most"""
STEP = 500
"""events that are read at a time"""
DEVICES_AT_ONCE = 50
LOOKED_AT_ONCE = 1000
"""devices of which it is decided in one turn of the reactor whether a client gets their messages"""
STEPS_AT_A_TIME = 4
SHARED = 10.0
"""s for which clients that subscribe share the messages of last values"""
MAX_SHARED = 2000
"""devices whose messages are kept for this"""
PAUSE = 0.01
"""s between two steps for a client, for other work"""

Key = TypeVar("Key", bound=str)
LastFilters = Mapping[str, int]
"""granted QoS by filter"""


class _LastMessage(NamedTuple):
    """A message with a last value; clients share the object."""

    topic: str
    encoded: EncodedMessage
    devices: tuple[str, ...]


_LastMessages = tuple[int, Sequence[_LastMessage]]
"""number of the event, and its messages"""


class Present(NamedTuple):
    """Access to the present: the position of new events, and the function to follow them."""

    position: Callable[[], int]
    """returns the number of the last event that was handed out"""
    follow: Callable[[LiveClient], None]
    """makes a client get new events from now on"""


class PastTeller:
    """Sends the past to clients.

    :param decode: adds readings to events.
    """

    def __init__(
        self,
        clock: Clock,
        center: ServiceCenter,
        narrator: Narrator,
        last_values: LastValues,
        decode: Decode,
        present: Present,
    ) -> None:
        self._clock = clock
        self._center = center
        self._narrator = narrator
        self._last_values = last_values
        self._decode = decode
        self._present = present
        self._made: dict[str, _LastMessages] = {}
        self._made_at = 0.0
        self._steps = DeferredSemaphore(STEPS_AT_A_TIME)
        self._base_topic: str = center.configuration.current.value("BASE_TOPIC")

    # Last values

    async def show_last(self, client: LiveClient, filters: LastFilters) -> None:
        """Send the last values that match some filters, marked as retained."""
        base = self._base_topic
        self._send(client, [self._service()], filters)
        if _any_overlaps(filters, (f"{base}/bs/+", f"{base}/bs/+/state")):
            await self._show_stations(client, filters)
        if _any_overlaps(filters, (f"{base}/gateway/#",)):
            gateways = [each.id for each in self._center.gateways]
            await self._show_states(client, gateways, self._gateway_state, filters)
        if _any_overlaps(filters, (f"{base}/alarm/#",)):
            now = self._center.now()
            alarms = [payloads.message(base, change_of(each, now)) for each in self._center.alarms.open()]
            self._send(client, [_shared(each.topic, each.payload, ()) for each in alarms if each], filters)
        places = (f"{base}/{payloads.uplink_topic('+')}", f"{base}/{DEVICES}/#", f"{DEVICES}/+/telemetry/+")
        if _any_overlaps(filters, places):
            await self._show_newest(client, self._named(filters) or self._all_devices(), filters)

    async def _show_stations(self, client: LiveClient, filters: LastFilters) -> None:
        stations = [state.base_station_eui for state in self._center.station_states() if state.at]
        await self._show_states(client, stations, self._station_state, filters)
        await self._show_newest(client, [station_key(eui) for eui in stations], filters)

    async def _show_states(
        self,
        client: LiveClient,
        keys: Sequence[Key],
        state_of: Callable[[Key], Publication | None],
        filters: LastFilters,
    ) -> None:
        """Send states, as they are when it is their turn: a client may have got a newer one meanwhile."""
        for first in range(0, len(keys), DEVICES_AT_ONCE):
            if first:
                await client.room()
                await self._pause()
            states = [state_of(key) for key in keys[first : first + DEVICES_AT_ONCE]]
            self._send(client, [_shared(each.topic, each.payload, ()) for each in states if each], filters)

    def _station_state(self, eui: EUI) -> Publication | None:
        station = self._center.stations.get(eui)
        return None if station is None else payloads.station_state(self._base_topic, station.state)

    def _gateway_state(self, id: str) -> Publication | None:
        state = self._center.gateways.state(id)
        return payloads.gateway_state(self._base_topic, state) if state is not None and state.at else None

    def _named(self, filters: LastFilters) -> list[str]:
        """Return the devices that the filters name; an empty list if a filter can match others, too."""
        level = self._base_topic.count("/") + 2
        found = []
        for text in filters:
            levels = text.split("/")
            is_id = levels[0] == DEVICES
            at = 1 if is_id else level
            is_telegram = not is_id and at - 1 < len(levels) and levels[at - 1] == DEVICES
            if is_telegram or len(levels) <= at or {"#", "+"} & set(levels[: at + 1]):
                return []
            found.append(device_of_level(levels[at], is_id))
        return list(dict.fromkeys(found))

    def _all_devices(self) -> Iterator[str]:
        sensors = self._center.sensors
        for sensor in list(sensors):
            yield sensor_device(sensor.eui)
        for key in self._last_values.devices():
            eui = eui_of_device(key)
            if eui is None or sensors.get(eui) is None:
                yield key

    async def _show_newest(self, client: LiveClient, keys: Iterable[str], filters: LastFilters) -> None:
        permission = client.permission
        assert permission is not None  # a client that subscribed has one
        few: list[str] = []
        for number, key in enumerate(keys, 1):
            if permission.sees([key]):
                few.append(key)
            if len(few) == DEVICES_AT_ONCE:
                await self._show_few(client, few, filters)
                await self._pause()
                few = []
            elif number % LOOKED_AT_ONCE == 0:
                await turn(self._clock)
            if client.gone:
                return
        if few:
            await self._show_few(client, few, filters)

    async def _show_few(self, client: LiveClient, keys: Sequence[str], filters: LastFilters) -> None:
        await self._steps.acquire()
        try:
            found = await self._told(keys)
        finally:
            self._steps.release()
        for key, (seq, messages) in found.items():
            now = self._last_values.get(key)
            if now is None or now[0] <= seq:  # otherwise the client got a newer one already
                self._send(client, messages, filters)
                await client.room()
        client.flush()
        await client.room()

    async def _told(self, keys: Iterable[str]) -> dict[str, _LastMessages]:
        """Return the messages of the last event of each key, which clients share for some seconds.

        After a restart many clients subscribe at the same time, and to the same topics.
        """
        now = self._clock.seconds()
        if now - self._made_at > SHARED or len(self._made) > MAX_SHARED:
            self._made, self._made_at = {}, now
        made = self._made
        newest = [found for key in keys if (found := await self._newest(key)) is not None]
        fresh = [each for each in newest if made.get(each[0], (-1, ()))[0] < each[1]]
        decoded = await self._decode([event for _, _, event in fresh]) if fresh else []
        for (key, seq, _), event in zip(fresh, decoded, strict=True):
            messages = [_shared(*telling) for telling in self._narrator.tell(event, lambda topic: True)]
            made[key] = seq, messages
        return {key: made[key] for key, _, _ in newest}

    async def _newest(self, key: str) -> tuple[str, int, AnyEvent] | None:
        known = self._last_values.get(key)
        if known is None:
            seq, event = await self._looked_up(key)
            self._last_values.found(key, seq, event)
            known = self._last_values.get(key) or (seq, event)
        seq, newest = known
        return None if newest is None else (key, seq, newest)

    async def _looked_up(self, key: str) -> tuple[int, AnyEvent | None]:
        history = self._center.journal.history
        entries: Sequence[tuple[int, AnyEvent]] = ()
        eui = eui_of_device(key)
        try:
            if eui is not None:
                entries = await history.uplinks_of_sensor(eui, before=None, limit=1)
            elif key.startswith(station_key("")):
                eui = EUI(key.removeprefix(station_key("")))
                entries = await history.events_of_station(
                    eui, before=None, limit=1, kinds=("station-status",)
                )
        except ValueError:
            return 0, None
        return entries[0] if entries else (0, None)

    def _service(self) -> _LastMessage:
        center = self._center
        message = payloads.service_status(self._base_topic, "online", center.version, center.started_at)
        return _shared(message.topic, message.payload, ())

    def _send(self, client: LiveClient, messages: Iterable[_LastMessage], filters: LastFilters) -> None:
        permission = client.permission
        if permission is None or client.gone:
            return
        # Until a client follows, what it missed after this message is still to come.
        mark = (self._present.position() if client.follows else client.reached) + 1
        for topic, encoded, devices in messages:
            qos = _qos(filters, topic)
            if qos is not None and permission.sees(devices):
                client.send(Outgoing(encoded, mark, qos, retained=True))
        client.flush()

    # Missed messages

    async def catch_up(self, client: LiveClient) -> None:
        """Send the messages of QoS 1 that a client missed, unless they are too many or too old; then make
        it follow.
        """
        session = client.session
        assert session is not None  # it was admitted
        wished = {text: qos for text, qos in session.filters.items() if qos}
        position = session.position
        client.reach(position)
        tally = _Tally(self._center.now() - MAX_AGE)
        if not wished:
            position = self._present.position()
        elif self._present.position() - position > MAX_LOOKED_AT:
            tally.miss(self._present.position() - MAX_LOOKED_AT - position, "too many events to look through")
            position = self._present.position() - MAX_LOOKED_AT
        while position < self._present.position() and not client.gone:
            entries = await self._read(position)
            if not entries:
                position = self._present.position()
                break
            tally.miss(entries[0][0] - position - 1, "no longer kept")
            await self._show(client, tally.fresh(entries), wished, tally)
            position = entries[-1][0]
            if not tally.missed:
                client.reach(position)
            if tally.shown >= MAX_MESSAGES:
                tally.miss(self._present.position() - position, f"more than {MAX_MESSAGES} messages")
                position = self._present.position()
            await client.room()
            await self._pause()
        if not client.gone:
            self._tell_gap(client, tally)
            client.reach(position)
            self._present.follow(client)
            client.flush()

    async def _read(self, position: int) -> list[tuple[int, AnyEvent]]:
        await self._steps.acquire()
        try:
            entries = await self._center.journal.events.read(position, STEP)
        finally:
            self._steps.release()
        last = self._present.position()
        return [entry for entry in entries if entry[0] <= last]

    async def _show(
        self,
        client: LiveClient,
        entries: Sequence[tuple[int, AnyEvent]],
        wished: LastFilters,
        tally: _Tally,
    ) -> None:
        permission = client.permission
        if not entries or permission is None:
            return
        self._tell_gap(client, tally)
        decoded = await self._decode([event for _, event in entries])
        for (seq, _), event in zip(entries, decoded, strict=True):
            for topic, payload, devices in self._narrator.tell(event, _wanted(wished)):
                if permission.sees(devices) and not client.gone:
                    client.send(Outgoing(encode_message(topic, payload), seq, 1, repeated=True))
                    tally.shown += 1
            if client.waiting:
                client.flush()
                await client.room()

    def _tell_gap(self, client: LiveClient, tally: _Tally) -> None:
        if tally.missed and not client.gone:
            telling = gap(self._base_topic, tally.since, self._center.now(), tally.missed, tally.reason)
            # A gap that does not arrive is told again, as it begins behind what was examined.
            client.send(Outgoing(encode_message(telling.topic, telling.payload), client.reached + 1, 1))
            tally.missed = 0

    async def _pause(self) -> None:
        await pause(self._clock, PAUSE)


class _Tally:
    """Counts of the missed messages that a client gets, and of the events that it does not get."""

    def __init__(self, oldest: float) -> None:
        self._oldest = oldest
        self.shown = 0
        """messages that were sent"""
        self.missed = 0
        """events since the last gap that was reported"""
        self.reason = ""
        self.since = 0.0

    def miss(self, events: int, reason: str) -> None:
        """Count events that are skipped."""
        if events > 0:
            self.missed += events
            self.reason = reason

    def fresh(self, entries: Sequence[tuple[int, AnyEvent]]) -> list[tuple[int, AnyEvent]]:
        """Return the events that are not too old, and count the others as skipped."""
        fresh = [entry for entry in entries if entry[1].at >= self._oldest]
        old = len(entries) - len(fresh)
        if old:
            self.since = self.since or entries[0][1].at
            self.miss(old, f"older than {MAX_AGE / 3600:.0f} h")
        return fresh


def _shared(topic: str, payload: bytes, devices: tuple[str, ...]) -> _LastMessage:
    return _LastMessage(topic, encode_message(topic, payload), devices)


def _any_overlaps(filters: Iterable[str], places: Iterable[str]) -> bool:
    return any(overlap(text, place) for text in filters for place in places)


def _wanted(filters: LastFilters) -> Callable[[str], bool]:
    return lambda topic: any(matches(text, topic) for text in filters)


def _qos(filters: LastFilters, topic: str) -> int | None:
    """Return the highest QoS of the filters that match a topic; None if none matches."""
    return max((qos for text, qos in filters.items() if matches(text, topic)), default=None)
