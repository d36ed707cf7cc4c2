"""The decoders of the running service: those in the folder, those installed, and the threads of scripts.

endpoints.json --> wanted --+
                            v
events of a sink -------> Decoding -------> events with readings
                            ^    \\--> ScriptThreads
DECODER_DIR --> folder -----+
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred, maybeDeferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.center.decoding.decoding import Decoding
from bssci.center.decoding.folder import DecoderFolder
from bssci.center.decoding.patience import WATCHED_KINDS
from bssci.center.decoding.payloads import DeviceId, decodable
from bssci.center.decoding.rests import Rest
from bssci.center.decoding.script_threads import ScriptThreads
from bssci.center.decoding.stored import decode_stored
from bssci.center.decoding.wanted import NOTHING_WANTED, ChosenDecoder, wanted_of
from bssci.decoders.running import label
from bssci.model import EUI, AnyEvent, Decoded, DecodeFailure, Sensor
from bssci.model.device_id import eui_of_device
from bssci.system.clock import Clock, Countdown, RunInThread
from bssci.system.line_limit import is_logged

DECODE_TIME = 2.0
"""s without progress after which a batch is delivered without the readings that are missing"""
MAX_CHOSEN = 200_000
"""sensors whose choice is cached"""


class Decoders:
    """All decoders, and their statistics. Call :meth:`load` before :meth:`decode`.

    :param from_thread: ``reactor.callFromThread``.
    :param run_in_thread: ``deferToThread``.
    :param directory: DECODER_DIR.
    :param installed: decoders that do not come from files.
    :param refused: a line for each installed decoder that cannot be used.
    :param sensor: returns the configured sensor of an EUI; None if there is none.
    :param device: returns the choice entered for a device other than a mioty sensor; None: there is none.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        from_thread: Callable[..., object],
        run_in_thread: RunInThread,
        directory: Path,
        installed: Sequence[Any],
        refused: Sequence[str],
        sensor: Callable[[EUI], Sensor | None],
        device: Callable[[DeviceId], ChosenDecoder | None] = lambda device: None,
    ) -> None:
        self._clock = clock
        self._run_in_thread = run_in_thread
        self._sensor = sensor
        self._chosen: dict[EUI, tuple[Sensor, ChosenDecoder]] = {}
        """choice by sensor, with the entry that it was made for; cached, as every uplink needs it"""
        self._device = device
        self.refused = tuple(refused)
        self._undecoded = 0
        self.threads = ScriptThreads(clock, from_thread)
        self.decoding = Decoding(
            clock, installed, self.wanted, self.threads, wanted_of_sensor=self.wanted_of_sensor
        )
        self.folder = DecoderFolder(
            directory,
            clock,
            run_in_thread,
            WATCHED_KINDS,
            self.decoding.use,
            [decoder.name for decoder in installed],
        )

    def load(self) -> None:
        """Read the folder at the start, in this thread; if that fails, only its decoders are missing."""
        for problem in self.refused:
            self.log.warn("{problem}", problem=problem)
        try:
            self.folder.load_now()
        except Exception:  # a bug here must not keep the service from starting
            self.log.failure("decoders not read {directory}", directory=str(self.folder.path))
        self.log.info(
            "decoders {decoders} of {directory} and installed",
            decoders=sorted(label(decoder) for decoder in self.decoding.decoders.values()),
            directory=str(self.folder.path),
        )

    def start(self) -> None:
        """Watch the folder for changes from now on."""
        self.folder.start()

    def stop(self) -> Deferred[None]:
        """End the threads; scripts decode nothing after that."""
        self.folder.stop()
        return self.threads.stop()

    def decode(self, events: Sequence[AnyEvent]) -> Deferred[list[AnyEvent]]:
        """Return the same events in order; those with a payload get their readings or a failure.

        The Deferred never fails, and fires when nothing was decoded for :data:`DECODE_TIME`.
        """
        countdown: Countdown | None = None

        def progressed() -> None:
            if countdown is not None:
                countdown.restart()

        decoding = maybeDeferred(self.decoding.decode, events, progressed)
        if decoding.called:  # most batches are, and a clock that is set and unset costs each of them
            return decoding.addErrback(self._not_decoded, events)
        countdown = Countdown(self._clock, DECODE_TIME, decoding.cancel)
        return decoding.addBoth(_ended, countdown).addErrback(self._not_decoded, events)

    def decode_stored(self, events: Sequence[AnyEvent]) -> Deferred[list[AnyEvent]]:
        """Return stored events, with readings as :meth:`decode` gives them; this counts for no decoder."""
        decoding = decode_stored(events, self.decoding, self.wanted, self._run_in_thread, self.threads)
        return ensureDeferred(decoding).addErrback(self._not_decoded, events)

    def report(self) -> dict[str, Any]:
        """Return the part of the status that is about decoders, as JSON values."""
        return {
            "directory": str(self.folder.path),
            "decoders": {decoder.name: self._figures(decoder) for decoder in self.decoding.decoders.values()},
            "problems": [*self.refused, *map(str, self.folder.library.problems)],
            "resting": [{"decoder": rest.decoder, "reason": rest.reason} for rest in self.resting],
        }

    @property
    def resting(self) -> tuple[Rest, ...]:
        """Decoders that are paused now."""
        return (*self.threads.resting, *self.decoding.rests.resting)

    def _figures(self, decoder: Any) -> dict[str, Any]:
        tally = self.decoding.by_decoder.get(decoder.name)
        figures: dict[str, Any] = {"version": decoder.version, "decoded": 0, "failed": 0, "failing": False}
        if tally is not None:
            figures |= {"decoded": tally.decoded, "failed": tally.failed, "failing": tally.failing}
            if tally.failure is not None:
                figures["last_error"] = {"code": tally.failure.code, "message": tally.failure.message}
        return figures

    def wanted(self, device: DeviceId) -> ChosenDecoder:
        """Return what the configuration says of a device's payloads."""
        eui = eui_of_device(device)
        if eui is None:
            return self._device(device) or NOTHING_WANTED
        return self.wanted_of_sensor(eui)

    def wanted_of_sensor(self, eui: EUI) -> ChosenDecoder:
        """Return what the configuration says of a sensor's payloads: the same object until that changes."""
        sensor = self._sensor(eui)
        if sensor is None:
            self._chosen.pop(eui, None)
            return NOTHING_WANTED
        known = self._chosen.get(eui)
        if known is None or known[0] is not sensor:
            if len(self._chosen) >= MAX_CHOSEN:
                self._chosen.clear()
            known = self._chosen[eui] = sensor, wanted_of(sensor)
        return known[1]

    def _not_decoded(self, failure: Failure, events: Sequence[AnyEvent]) -> list[AnyEvent]:
        if is_logged(self._undecoded + 1):
            self.log.failure("batch not decoded {batches}", failure, batches=self._undecoded + 1)
        self._undecoded += 1
        reason = DecodeFailure("not_decoded", "the service could not decode the batch; its log says why")
        decoded = Decoded(decoder="", failure=reason)
        return [
            msgspec.structs.replace(event, decoded=decoded) if decodable(event) else event for event in events
        ]


def _ended(result: Any, countdown: Countdown) -> Any:
    countdown.cancel()
    if isinstance(result, Failure) and isinstance(result.value, CancelledError):
        raise DeferredTimeout(DECODE_TIME, "decoding")
    return result
