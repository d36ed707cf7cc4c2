"""Detection of silent sensors: one warning, then the sensor is detached at all stations.

A silence begins with the sensor's last uplink or with its attachment, whichever is later. Only listening time
counts (:mod:`bssci.center.silence.listening`). Sensors are checked in slices; while no base station is
connected, there are no warnings and no detachments.

    state                meaning
    -------------------  ------------------------------------------------------------------------------
    never seen           in endpoints.json when the service started, never heard and never attached by
                         command. It may still be in its box: no warning, never detached
    registered           attached, over the air or by command, or newly configured, and not heard since;
                         its silence counts like that of an active sensor
    active               heard; not silent for long, or not monitored (``autoDetach`` or
                         AUTO_DETACH_ENABLED is false)
    warning              silent for AUTO_DETACH_WARNING_TIMEOUT, or for four of its own intervals
    auto-detach pending  silent for AUTO_DETACH_TIMEOUT, and for eight of its own intervals: stations are
                         being told, the next check is still to come, or no station is connected
    auto-detached        detached because of its silence; attached again as soon as it is heard
    detached             detached by command, or over the air by itself: not monitored
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Literal, NamedTuple

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import CooperativeTask, Cooperator, TaskStopped
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci import journal
from bssci.center.attachments.attachments import Attachments
from bssci.center.devices.sensors import Sensors
from bssci.center.silence.listening import CLOCK_STEP, Listening
from bssci.center.silence.standing import SilenceLimits, SilenceState, Standing
from bssci.center.turns import Turns
from bssci.center.uplinks.activity import Activities
from bssci.center.write_behind import WriteBehind
from bssci.journal import Journal, Loaded
from bssci.model import EUI, AnyEvent, Sensor, SensorAutoDetached, SensorWarning, Uplink
from bssci.system.clock import Clock, Ticker

WARN_AFTER, DETACH_AFTER = 4, 8
"""for a sensor with an ``interval``: intervals of silence until the warning, and until it may be detached"""
SLICE = 500
"""sensors that are checked in one turn of the reactor"""
ROUNDING = 1.0
"""s, more than the rounding error of sums of Unix seconds"""


class _News(NamedTuple):
    """Sensors for which something is to be done, with the Unix seconds since when they are silent."""

    quiet: dict[EUI, float]
    """sensors to warn of"""
    silent: dict[EUI, float]
    """sensors to detach"""
    back: set[EUI]
    """sensors that were detached for their silence, and were heard again"""
    ahead: list[EUI]
    """sensors whose silence begins in the future, as the clock was set back since"""


class SilenceWatch:
    """Checks for silent sensors every ``check_interval`` s.

    :param now: returns Unix seconds.
    :param enabled: see :meth:`configure`, as for the parameters that follow.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        store: Journal,
        loaded: Loaded,
        *,
        sensors: Sensors,
        activities: Activities,
        attachments: Attachments,
        listening: Listening,
        now: Callable[[], float],
        turns: Turns,
        enabled: bool,
        timeout: float,
        warning_timeout: float,
        check_interval: float,
    ) -> None:
        self._clock = clock
        self._store = store
        self._sensors = sensors
        self._activities = activities
        self._attachments = attachments
        self._listening = listening
        self._now = now
        self._turns = turns
        self._enabled = enabled
        self._timeout = timeout
        self._warning_timeout = warning_timeout
        self._running = False
        self._known = dict(loaded.silences)
        self._behind = WriteBehind[EUI](clock, "attachment times", self._write)
        self._lines = journal.StorageLines(self.log, clock.seconds)
        self._under_way: set[EUI] = set()
        # Auto-detached sensors, or those about to be: the only ones that matter when uplinks come.
        self._gone = {sensor.eui for sensor in sensors if self._is_auto_detached(sensor.eui)}
        self._cooperator = Cooperator(lambda: lambda: True, self._in_next_turn)
        self._look: CooperativeTask[Iterator[None]] | None = None
        self._ticker = Ticker(clock, check_interval, self._look_unless_under_way)

    def start(self) -> None:
        self._running = True
        self._behind.start()
        self._ticker.start()
        self.check()

    def stop(self) -> None:
        self._running = False
        self._ticker.stop()
        self._end_look()
        self._behind.stop()

    def configure(
        self, *, enabled: bool, timeout: float, warning_timeout: float, check_interval: float
    ) -> None:
        """Change the limits; they take effect at once.

        There is no second warning for the same silence. Detached sensors stay detached until they are heard.

        :param enabled: false: no warnings and no detachments at all.
        :param timeout: s of silence until a sensor is detached.
        :param warning_timeout: s of silence until the warning.
        :param check_interval: s between two checks.
        """
        self._enabled, self._timeout, self._warning_timeout = enabled, timeout, warning_timeout
        self._ticker.stop()
        self._ticker = Ticker(self._clock, check_interval, self._look_unless_under_way)
        if self._running:
            self._ticker.start()
            self.check()

    # what happened

    def heard(self, uplinks: Iterable[Uplink]) -> None:
        """Attach those sensors again that were detached because of their silence and are now heard."""
        gone = self._gone
        if gone:
            back = {eui for uplink in uplinks if (eui := uplink.receptions[0].end_point_eui) in gone}
            if back:
                self._bring_back(back)

    def attached(self, euis: Collection[EUI], at: float, *, over_the_air: bool = False) -> None:
        """Restart the silence of sensors, because they were attached.

        :param at: Unix seconds.
        """
        how: Literal["over the air", "command"] = "over the air" if over_the_air else "command"
        self._remember(journal.Silence(end_point_eui=eui, attached_at=at, how=how) for eui in euis)

    # questions

    def state(self, eui: EUI) -> SilenceState | None:
        """Return the state of a sensor; None if it is not configured."""
        sensor = self._sensors.get(eui)
        return None if sensor is None else self._state(sensor, self._begin(eui), self._listening.total())

    def standing(self, eui: EUI) -> Standing | None:
        """Return the state of a sensor with its figures; None if it is not configured."""
        sensor = self._sensors.get(eui)
        if sensor is None:
            return None
        begin, total = self._begin(eui), self._listening.total()
        state = self._state(sensor, begin, total)
        if begin is None:
            return Standing(state, None, None)
        inactive = self._inactive(begin, total)
        watched = self._enabled and sensor.auto_detach and state not in ("auto-detached", "detached")
        limits = self.limits(sensor)
        return Standing(state, inactive, max(0.0, limits.detach - inactive) if watched else None, begin)

    def limits(self, sensor: Sensor) -> SilenceLimits:
        """Return how long a sensor may be silent.

        For a sensor with an ``interval``, the warning comes after four of them. It is never detached before
        AUTO_DETACH_TIMEOUT, since stations cannot hear a detached sensor, whose key they no longer know.
        """
        if sensor.interval is None:
            return SilenceLimits(self._warning_timeout, self._timeout)
        detach = max(self._timeout, DETACH_AFTER * sensor.interval)
        return SilenceLimits(WARN_AFTER * sensor.interval, detach)

    def _begin(self, eui: EUI) -> float | None:
        """Return the Unix seconds when a silence began; None if the sensor was neither heard nor attached."""
        activity, known = self._activities.get(eui), self._known.get(eui)
        if activity is None:
            return known.attached_at if known is not None and known.how != "configured" else None
        if known is None or activity.last_seen_at >= known.attached_at:
            return activity.last_seen_at
        return known.attached_at

    def _recent(self, limits: SilenceLimits, total: float) -> float:
        """Return the Unix seconds after which a silence must have begun to be certainly within all limits."""
        return self._listening.latest(total - min(limits)) + ROUNDING

    def _inactive(self, begin: float, total: float) -> float:
        return max(0.0, total - self._listening.until(begin))

    def _state(self, sensor: Sensor, begin: float | None, total: float) -> SilenceState:
        eui = sensor.eui
        known, stored = self._known.get(eui), self._attachments.get(eui)
        if stored is not None and stored.state == "detached":
            if stored.reason != "inactivity":
                return "detached"
            if known is not None and begin == known.detached_since:
                return "auto-detached"
            if not self._is_back(begin, stored):
                return "auto-detach pending"
        if begin is None:
            return "never seen"
        if self._enabled and sensor.auto_detach:
            inactive = self._inactive(begin, total)
            limits = self.limits(sensor)
            if inactive >= limits.detach:
                return "auto-detach pending"
            if inactive >= limits.warning:
                return "warning"
        activity = self._activities.get(eui)
        return "active" if activity is not None and activity.last_seen_at == begin else "registered"

    def _is_auto_detached(self, eui: EUI) -> bool:
        stored = self._attachments.get(eui)
        return (
            stored is not None
            and stored.state == "detached"
            and stored.reason == "inactivity"
            and eui in self._sensors
        )

    @staticmethod
    def _is_back(begin: float | None, stored: journal.Attachment) -> bool:
        """Return whether a sensor was heard after it was detached because of its silence."""
        return begin is not None and begin > stored.since

    # looking

    def check(self) -> None:
        """Check all sensors, from the next turn of the reactor on."""
        self._end_look()
        self._look = self._cooperator.cooperate(self._slices())
        self._look.whenDone().addErrback(self._look_failed)

    @property
    def under_way(self) -> bool:
        """Return whether a check of the sensors is under way."""
        return self._look is not None

    def _look_unless_under_way(self) -> None:
        if not self.under_way:
            self.check()

    def _end_look(self) -> None:
        if self._look is not None:
            look, self._look = self._look, None
            look.stop()

    def _look_failed(self, failure: Failure) -> None:
        if not isinstance(failure.value, TaskStopped):
            self._look = None
            self.log.failure("check for silent sensors failed", failure)

    def _in_next_turn(self, step: Callable[[], None]) -> Any:
        return self._clock.callLater(0.0, step)

    def _slices(self) -> Iterator[None]:
        sensors = iter(self._sensors)
        while few := list(islice(sensors, SLICE)):
            self._look_at(few)
            yield
        removed: list[EUI] = []
        known = iter(list(self._known))
        while some := list(islice(known, SLICE)):
            removed += [eui for eui in some if eui not in self._sensors]
            yield
        rest = iter(removed)
        while some := list(islice(rest, SLICE)):
            self._forget(some)
            yield
        self._look = None

    def _forget(self, removed: Sequence[EUI]) -> None:
        """Forget sensors that are not configured any more, except those that were added again meanwhile."""
        gone = [eui for eui in removed if eui not in self._sensors]
        for eui in gone:
            self._known.pop(eui, None)
            self._gone.discard(eui)
        if gone:
            self._behind.update(gone)
            self._behind.store()

    def _look_at(self, sensors: Sequence[Sensor]) -> None:
        now, total = self._now(), self._listening.total()
        self._remember(
            journal.Silence(end_point_eui=sensor.eui, attached_at=now, how="configured")
            for sensor in sensors
            if sensor.eui not in self._known
        )
        news = self._sorted(sensors, now, total)
        if news.back:
            self._bring_back(news.back)
        self._begin_now(news.ahead, now)
        if self._listening.is_listening:
            if news.quiet:
                warned = ensureDeferred(self._warn(news.quiet, now, total))
                warned.addErrback(self._failed, "warnings about silent sensors failed")
            if news.silent:
                detached = ensureDeferred(self._detach_silent(news.silent))
                detached.addErrback(self._failed, "silent sensors not detached")

    def _sorted(self, sensors: Sequence[Sensor], now: float, total: float) -> _News:
        """Return the sensors for which something is to be done."""
        news = _News({}, {}, set(), [])
        recent: dict[float | None, float] = {}  # by interval
        for sensor in sensors:
            eui, interval = sensor.eui, sensor.interval
            begin = self._begin(eui)
            if begin is None or eui in self._under_way:
                continue
            if begin > now + CLOCK_STEP:
                news.ahead.append(eui)
                continue
            if interval not in recent:
                recent[interval] = self._recent(self.limits(sensor), total)
            if begin > recent[interval] and eui not in self._gone and self._attachments.is_attached(eui):
                continue  # true of nearly all sensors: no need to determine the state
            state = self._state(sensor, begin, total)
            if state == "warning" and self._known[eui].warned_since != begin:
                news.quiet[eui] = begin
            elif state == "auto-detach pending":
                news.silent[eui] = begin
            elif eui in self._gone and state != "auto-detached":
                news.back.add(eui)
        return news

    def _begin_now(self, euis: Sequence[EUI], now: float) -> None:
        """Let silences begin now whose beginning lies in the future: the clock was set back since."""
        begins = {eui: self._begin(eui) for eui in euis}
        self._activities.set_back(euis, now)
        self._remember(
            replace(
                known,
                attached_at=min(known.attached_at, now),
                warned_since=now if known.warned_since == begin else None,
                detached_since=now if known.detached_since == begin else None,
            )
            for eui, begin in begins.items()
            if (known := self._known.get(eui)) is not None
        )

    # acting

    async def _warn(self, quiet: dict[EUI, float], now: float, total: float) -> None:
        events: list[AnyEvent] = []
        for eui, begin in quiet.items():
            inactive = self._inactive(begin, total)
            sensor = self._sensors.get(eui)
            limits = self.limits(sensor) if sensor else SilenceLimits(self._warning_timeout, self._timeout)
            events.append(
                SensorWarning(
                    at=now,
                    end_point_eui=eui,
                    inactive_hours=_hours(inactive),
                    hours_until_detach=_hours(limits.detach - inactive),
                    warning_threshold_hours=_hours(limits.warning),
                    detach_threshold_hours=_hours(limits.detach),
                )
            )
        await self._publish(
            events, [replace(self._known[eui], warned_since=begin) for eui, begin in quiet.items()]
        )
        for event in events:
            self.log.warn(
                "sensor is silent {event.end_point_eui} for {event.inactive_hours} h,"
                " detached in {event.hours_until_detach} h",
                event=event,
            )

    async def _detach_silent(self, silent: dict[EUI, float]) -> None:
        self._under_way.update(silent)
        self._gone.update(silent)
        try:
            await self._turns.run(list(silent), lambda: self._detach_those_pending(silent))
            now, total = self._now(), self._listening.total()
            # Some may have been heard, attached or removed meanwhile.
            detached = [
                eui
                for eui in silent
                if eui in self._under_way and eui in self._known and self._is_auto_detached(eui)
            ]
            events: list[AnyEvent] = [
                SensorAutoDetached(
                    at=now,
                    end_point_eui=eui,
                    inactive_hours=_hours(self._inactive(silent[eui], total)),
                    threshold_hours=_hours(
                        self.limits(sensor).detach if (sensor := self._sensors.get(eui)) else self._timeout
                    ),
                )
                for eui in detached
            ]
            await self._publish(
                events, [replace(self._known[eui], detached_since=silent[eui]) for eui in detached]
            )
            for event in events:
                # People look for this word in the log.
                self.log.info(
                    "AUTO-DETACH {event.end_point_eui}, silent for {event.inactive_hours} h", event=event
                )
        finally:
            self._under_way.difference_update(silent)

    async def _detach_those_pending(self, silent: Iterable[EUI]) -> None:
        """Detach those of the sensors that earlier commands have left silent."""
        total = self._listening.total()
        pending = [
            eui
            for eui in silent
            if (sensor := self._sensors.get(eui)) is not None
            and self._state(sensor, self._begin(eui), total) == "auto-detach pending"
        ]
        await self._attachments.detach(pending, reason="inactivity", at=self._now())

    def _bring_back(self, euis: set[EUI]) -> None:
        """Attach sensors again, unless that has happened; a detach in progress is finished first."""
        detached = [
            eui
            for eui in euis
            if self._is_auto_detached(eui) or (eui in self._under_way and eui in self._sensors)
        ]
        self._gone -= euis
        self._under_way -= euis
        if detached:
            for eui in detached:
                self.log.info("silent sensor is heard again {eui}", eui=eui)
            attached = ensureDeferred(self._attach_again(detached))
            attached.addErrback(self._failed, "sensors that are heard again not attached")

    async def _attach_again(self, euis: Sequence[EUI]) -> None:
        try:
            await self._turns.run(
                euis, lambda: self._attachments.attach(euis, reason="heard again", at=self._now())
            )
        finally:
            self._gone.update(eui for eui in euis if self._is_auto_detached(eui))

    # remembering

    def _remember(self, silences: Iterable[journal.Silence]) -> None:
        remembered = {silence.end_point_eui: silence for silence in silences}
        if remembered:
            self._known.update(remembered)
            self._behind.update(remembered)
            self._behind.store()

    def _write(self, euis: Collection[EUI], through: int | None) -> Deferred[None]:
        return self._store.tables.apply(journal.Silence, {eui: self._known.get(eui) for eui in euis})

    async def _publish(self, events: list[AnyEvent], marked: Sequence[journal.Silence]) -> None:
        """Publish events and store that they were published, in one commit."""
        after = {silence.end_point_eui: silence for silence in marked}
        before = {eui: self._known[eui] for eui in after}
        self._known.update(after)
        try:
            marks = self._store.tables.change(journal.Silence, after)
            await self._store.events.append(events, beside=[marks])
        except Exception:  # any failure: nothing was stored
            for eui, silence in after.items():
                if self._known.get(eui) is silence:
                    self._known[eui] = before[eui]
            raise

    def _failed(self, failure: Failure, what: str) -> None:
        self._lines.note(failure, what)


def _hours(seconds: float) -> float:
    return round(seconds / 3600.0, 4)
