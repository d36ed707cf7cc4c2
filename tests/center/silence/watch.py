"""Sensors, a station and a watch over their silence, in memory; with the real journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred

from bssci.center.attachments.attachments import Attachments
from bssci.center.devices.sensors import Sensors
from bssci.center.silence.listening import Listening
from bssci.center.silence.silence import SilenceWatch
from bssci.center.silence.standing import SilenceState
from bssci.center.turns import Turns
from bssci.center.uplinks.activity import Activities
from bssci.journal import Loaded
from bssci.model import EUI, Reception, SensorWarning, StationState, Uplink
from bssci.model.commands import Outcomes
from bssci.stations.directory import Stations
from tests.support.center import House, sensor_entry
from tests.support.inline_journal import InlineJournal

STATION = EUI("CAFE000000000001")
MINUTE = 60.0
HOUR = 3600.0
WARNING, DETACH, INTERVAL = 36 * HOUR, 72 * HOUR, HOUR


def sensor(number: int) -> EUI:
    return EUI(f"70B3D567{number:08X}")


def station_state(online: bool, station: EUI = STATION) -> StationState:
    return StationState(at=0.0, base_station_eui=station, state="online" if online else "offline")


def make_uplink(eui: EUI, at: float, *, known: bool = True, **signals: float) -> Uplink:
    """Heard by the stations named, best first; by one if none is."""
    receptions = [
        Reception(
            end_point_eui=eui,
            packet_counter=1,
            payload=b"\1",
            base_station_eui=EUI(station),
            rx_time=0,
            snr=snr,
            rssi=snr - 110.0,
            received_at=at,
        )
        for station, snr in (signals or {STATION: 10.0}).items()
    ]
    return Uplink(at=at, id="x", known=known, receptions=receptions, duplicates=len(receptions) - 1)


class WatchedAttachments(Attachments):
    """Notes what is attached and detached, and holds it up."""

    def __init__(self, watch: Watch, kept: Loaded) -> None:
        super().__init__(watch.clock, watch.journal, kept, watch.sensors, watch.activities, Stations(), 0.0)
        self._watch = watch

    async def detach(self, euis: Sequence[EUI], *, reason: str = "command", at: float) -> Outcomes:
        watch = self._watch
        if reason == "inactivity":
            watch.detached += euis
            if watch.held_up is not None:
                await watch.held_up
        outcomes = await super().detach(euis, reason=reason, at=at)
        if reason == "inactivity" and watch.answers is not None:
            await watch.answers
        return outcomes

    async def attach(self, euis: Sequence[EUI], *, reason: str = "command", at: float) -> Outcomes:
        watch = self._watch
        if reason == "heard again":
            if watch.attach_fails is not None:
                raise watch.attach_fails
            watch.attached += euis
        return await super().attach(euis, reason=reason, at=at)


class Watch(House):
    """A :class:`SilenceWatch` with its neighbours only, which can crash and come back.

    :ivar detached: sensors in the order in which stations were told to detach them; ``attached`` likewise.
    :ivar held_up: what a detach waits for before it begins; None: nothing.
    :ivar answers: what it waits for in the end.
    :ivar attach_fails: an attach fails with this.
    :ivar ahead: s that the system's clock was set forth.
    """

    def __init__(self, directory: Path, sensors: int = 1, *, opted_out: Sequence[int] = ()) -> None:
        self.ahead = 0.0
        self.limits = {"timeout": DETACH, "warning_timeout": WARNING, "check_interval": INTERVAL}
        self.detached: list[EUI] = []
        self.attached: list[EUI] = []
        self.held_up: Deferred[None] | None = None
        self.answers: Deferred[None] | None = None
        self.attach_fails: Exception | None = None
        self.sensors_file = directory / "endpoints.json"
        self.configure_sensors(sensors, opted_out)
        super().__init__(directory)

    def configure_sensors(self, sensors: int, opted_out: Sequence[int] = ()) -> None:
        self.configure(
            sensor_entry(number, eui=sensor(number), autoDetach=number not in opted_out)
            for number in range(1, sensors + 1)
        )

    def open(self) -> None:
        self.journal = InlineJournal(self.directory / "data")
        kept = self.journal.kept()
        self.turns = Turns()
        self.sensors = Sensors(self.directory / "endpoints.json", maybeDeferred)
        self.activities = Activities(self.clock, self.journal, kept)
        self.attachments = WatchedAttachments(self, kept)
        self.listening = Listening(self.clock, self.journal, kept, self.now)
        self.silence = SilenceWatch(
            self.clock,
            self.journal,
            kept,
            sensors=self.sensors,
            activities=self.activities,
            attachments=self.attachments,
            listening=self.listening,
            now=self.now,
            turns=self.turns,
            enabled=True,
            **self.limits,
        )
        self.activities.start()
        self.listening.start()
        self.silence.start()
        self.settle()

    def now(self) -> float:
        return super().now() + self.ahead

    # what happens

    def connect(self) -> None:
        self.listening.station_changed(station_state(True))
        self.settle()

    def lose(self) -> None:
        self.listening.station_changed(station_state(False))
        self.settle()

    def advance(self, seconds: float, step: float = 1800.0) -> None:
        super().advance(seconds, step)

    def hear(self, *numbers: int) -> None:
        """Uplinks, published as the service does."""
        uplinks = [make_uplink(sensor(number), self.now()) for number in numbers]
        stored = self.journal.events.append(list(uplinks))
        stored.addCallback(lambda first: self._published(uplinks, first))
        self.settle()

    def _published(self, uplinks: list[Uplink], first: int) -> None:
        self.activities.heard(uplinks, first + len(uplinks) - 1)
        self.silence.heard(uplinks)

    def reload(self) -> None:
        """endpoints.json was changed by hand."""
        reloaded = self.sensors.reload()
        reloaded.addCallback(lambda changes: ensureDeferred(self.attachments.changed(changes, at=self.now())))
        self.settle()

    def configure_limits(self, *, enabled: bool = True, **changes: float) -> None:
        self.limits |= changes
        self.silence.configure(enabled=enabled, **self.limits)
        self.settle()

    def close(self) -> None:
        """As the service stops: stations first."""
        self.lose()
        self.silence.stop()
        self.listening.stop()
        self.activities.stop()
        self.journal.close()

    # what came of it

    def state(self, number: int = 1) -> SilenceState | None:
        return self.silence.state(sensor(number))


def restart(watch: Watch) -> None:
    watch.settle()
    watch.kill()
    watch.open()
    watch.connect()


def warnings(watch: Watch) -> list[SensorWarning]:
    return watch.happened(SensorWarning)


@pytest.fixture
def make_watch(tmp_path: Path) -> Iterator[Callable[..., Watch]]:
    watches: list[Watch] = []

    def make(*args: int, **options: object) -> Watch:
        watches.append(Watch(tmp_path, *args, **options))
        watches[-1].connect()
        return watches[-1]

    yield make
    for watch in watches:
        watch.close()


@pytest.fixture
def watch(make_watch: Callable[..., Watch]) -> Watch:
    return make_watch()
