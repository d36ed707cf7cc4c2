"""Presence of known Bluetooth devices: which scanner each is near, and with which signal.

Several scanners hear the same advertisement. The device is assigned to the one with the best smoothed signal,
and moves to another one when that is clearly better. Changes go to the sinks as telegrams of the device
itself, which the decoder ``presence`` reads: raw and replayable like all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from bssci.model import Telegram
from bssci.system.clock import Clock, Ticker

SOURCE = "presence"
"""name of the source of these telegrams"""
FIELD = "presence"
"""name of the field in the envelope"""
SMOOTHING = 0.3
"""weight of the newest RSSI"""
MARGIN = 5.0
"""dB by which another scanner must be better"""
FORGET = 30.0
"""s after which the signal at a scanner no longer counts"""
AWAY = 120.0
"""s without any advertisement after which a device is away"""
REPEAT = 60.0
"""s after which an unchanged place is published again, with the present signal"""
LOOK_INTERVAL = 10.0
"""s between two checks for devices that are away"""
MAX_DEVICES = 10_000
"""devices whose place is tracked"""
MAX_SCANNERS = 16
"""scanners that are compared for a device"""

Tell = Callable[[list[Telegram]], object]


class _Heard:
    """Smoothed signal of a device at one scanner."""

    __slots__ = ("at", "rssi")

    def __init__(self, rssi: float, at: float) -> None:
        self.rssi = rssi
        self.at = at


class _Present:
    """Signals of one device, and the place that was published last."""

    __slots__ = ("at", "by", "scanner", "told_at")

    def __init__(self) -> None:
        self.by: dict[str, _Heard] = {}
        self.scanner = ""
        self.told_at = float("-inf")
        self.at = 0.0

    def hear(self, scanner: str, rssi: float, now: float) -> None:
        self.at = now
        heard = self.by.pop(scanner, None)
        if heard is None or now - heard.at > FORGET:
            heard = _Heard(rssi, now)
        else:
            heard.rssi += SMOOTHING * (rssi - heard.rssi)
            heard.at = now
        self.by[scanner] = heard
        if len(self.by) > MAX_SCANNERS:
            del self.by[next(iter(self.by))]

    def best(self, now: float) -> str:
        """Return the scanner that the device is nearest to."""
        fresh = {name: heard.rssi for name, heard in self.by.items() if now - heard.at <= FORGET}
        if not fresh:
            return self.scanner
        best = max(fresh, key=lambda name: fresh[name])
        if self.scanner in fresh and fresh[best] - fresh[self.scanner] < MARGIN:
            return self.scanner
        return best


class Presence:
    """The places of known devices.

    :param is_known: returns whether people have entered a device, by its id.
    :param tell: stores telegrams.
    :param now: returns Unix seconds.
    """

    def __init__(
        self, clock: Clock, is_known: Callable[[str], bool], tell: Tell, now: Callable[[], float]
    ) -> None:
        self._clock = clock
        self._is_known = is_known
        self._tell = tell
        self._now = now
        self._of: dict[str, _Present] = {}
        self._ticker = Ticker(clock, LOOK_INTERVAL, self._look)

    def start(self) -> None:
        self._ticker.start()

    def stop(self) -> None:
        self._ticker.stop()

    def heard(self, telegrams: Iterable[Telegram]) -> None:
        """Take stored telegrams, of which advertisements of known devices count."""
        now = self._clock.seconds()
        news: list[Telegram] = []
        for telegram in telegrams:
            if (
                telegram.rssi is None
                or telegram.source == SOURCE
                or not telegram.device.startswith("ble:")
                or not self._is_known(telegram.device)
            ):
                continue
            present = self._of.get(telegram.device)
            if present is None:
                if len(self._of) >= MAX_DEVICES:
                    continue
                present = self._of[telegram.device] = _Present()
            present.hear(telegram.gateway, telegram.rssi, now)
            best = present.best(now)
            if best != present.scanner or now - present.told_at >= REPEAT:
                present.scanner, present.told_at = best, now
                news.append(self._telegram(telegram.device, present))
        if news:
            self._tell(news)

    def _look(self) -> None:
        now = self._clock.seconds()
        gone = [device for device, present in self._of.items() if now - present.at >= AWAY]
        news = []
        for device in gone:
            present = self._of.pop(device)
            present.scanner = ""
            if self._is_known(device):
                news.append(self._telegram(device, present))
        if news:
            self._tell(news)

    def _telegram(self, device: str, present: _Present) -> Telegram:
        at = self._now()
        heard = present.by.get(present.scanner) if present.scanner else None
        said = {
            "scanner": present.scanner,
            "rssi": round(heard.rssi, 1) if heard is not None else None,
            "scanners": {name: round(each.rssi, 1) for name, each in present.by.items()},
        }
        return Telegram(
            at=at,
            id=f"presence-{device}-{at!r}-{present.scanner}",
            device=device,
            gateway=present.scanner or "nobody",
            source=SOURCE,
            payload=msgspec.json.encode(said),
            rssi=said["rssi"],  # type: ignore[arg-type]
            envelope={FIELD: said},
        )
