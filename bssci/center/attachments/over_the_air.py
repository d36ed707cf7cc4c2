"""Attach and detach over the air (§5.6, §5.7).

A sensor's request arrives once from each station that heard it. The first copy is stored and published; every
copy is answered, also one that is repeated after a resume. When a station has confirmed our answer, or its
connection changed before it could, the change is propagated to the stations that did not forward a copy, and
so it is if the station confirms nothing:

    att, det --stored--> answer --attCmp, detCmp, or 10 s--> attPrp, detPrp to all the others

A station that cancels the operation instead may not have carried it out: it is told as the others are.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Literal, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.center.attachments.attachments import Attachments
from bssci.center.commit import Commit
from bssci.center.devices.sensors import Sensors
from bssci.center.uplinks.activity import Activities
from bssci.journal import Attachment, Registration
from bssci.model import EUI, Sensor, SensorProblem, SensorStatus, StationState, attach_crypto, eui_to_int
from bssci.model.over_the_air import AttachRequest, DetachRequest
from bssci.model.sensor import attachment_fingerprint
from bssci.model.states import AttachmentState
from bssci.stations.over_the_air import Accepted, RefusedOverTheAir
from bssci.system.clock import Clock

COMPLETION_TIME = 10.0
"""s for which the others wait until a station has confirmed our answer"""
Action = Literal["attach", "detach"]
_DONE: dict[Action, AttachmentState] = {"attach": "attached", "detach": "detached"}


class SignatureVerdict(Enum):
    """Verdict of a :class:`DetachVerifier` on a signature."""

    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    """accepted without a check"""
    WRONG = "wrong"
    """wrong, so the request is refused"""


class DetachVerifier(Protocol):
    """Verifies the signature of a detach request."""

    def verify(self, sensor: Sensor, request: DetachRequest) -> SignatureVerdict:
        """Return the verdict on the signature of a detach request.

        :param sensor: the configured sensor, with its session key if it is attached over the air.
        """


class LenientDetachVerifier:
    """Accepts every detach request, since the algorithm of its signature is not public."""

    def verify(self, sensor: Sensor, request: DetachRequest) -> SignatureVerdict:
        return SignatureVerdict.UNVERIFIED


class Observer:
    """Receiver of notifications about requests over the air; the methods of this base class do nothing."""

    def attached(self, eui: EUI, at: float) -> None:
        """Note that a sensor attached over the air at this time (Unix seconds)."""

    def registered(self, eui: EUI) -> None:
        """Note that a sensor's registration at a station changed; stored in this turn of the reactor."""

    def unknown(self, request: AttachRequest) -> None:
        """Note that a sensor that is not configured asks to be attached."""


class OverTheAir:
    """Decides on sensors' requests over the air to attach or detach (§5.6, §5.7).

    :param now: returns Unix seconds.
    :param observer: is notified of the decisions.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        sensors: Sensors,
        attachments: Attachments,
        activities: Activities,
        now: Callable[[], float],
        detach_verifier: DetachVerifier | None = None,
        *,
        observer: Observer | None = None,
    ) -> None:
        self._clock = clock
        self._sensors = sensors
        self._attachments = attachments
        self._activities = activities
        self._now = now
        self._detach_verifier = detach_verifier or LenientDetachVerifier()
        self._observer = observer or Observer()
        self._untold: dict[EUI, set[EUI]] = {}
        """changes that are still to be propagated, by sensor: the stations that forwarded the request"""
        self._under_way: dict[EUI, Commit] = {}

    # attach

    def attach(self, request: AttachRequest) -> Accepted:
        """See :meth:`bssci.stations.over_the_air.SensorRequests.attach`."""
        eui, counter = request.end_point_eui, request.attach_counter
        sensor = self._sensors.get(eui)
        if sensor is None:
            self._observer.unknown(request)
            raise _not_configured(eui)
        number = eui_to_int(eui)
        if not attach_crypto.is_signed(request.signature, sensor.network_key, number, counter):
            raise self._refusal("attach", request, "the signature is wrong")
        key = attach_crypto.session_key(sensor.network_key, number, request.nonce, request.signature)
        address = sensor.short_address if request.short_address is None else request.short_address
        newest = self._attachments.newest(eui)
        if newest is not None and _is_copy(request, key, newest):
            stored = self._copied(request)
            if request.short_address is None and newest.short_address is not None:
                address = newest.short_address
        elif newest is not None and not attach_crypto.may_follow(counter, newest.attach_counter):
            why = f"the attach counter {counter} does not follow {newest.attach_counter}"
            raise self._refusal("attach", request, why)
        else:
            event = self._event("attach", request)
            take_back = self._activities.restart_counter(eui, event.at)
            attached = self._attachments.attached_over_the_air(
                event, session_key=key, short_address=address, attach_counter=counter
            )
            attached.addCallbacks(
                lambda _: self._observer.attached(eui, event.at), _taking_back, errbackArgs=(take_back,)
            )
            stored = self._changed(event, request.base_station_eui, attached)
        return Accepted(
            self._held("attached", eui, _fingerprint(sensor, key, address, request)),
            stored,
            session_key=key,
            short_address=address,
        )

    # detach

    def detach(self, request: DetachRequest) -> Accepted:
        """See :meth:`bssci.stations.over_the_air.SensorRequests.detach`."""
        eui = request.end_point_eui
        sensor = self._sensors.get(eui)
        if sensor is None:
            raise _not_configured(eui)
        verdict = self._detach_verifier.verify(self._attachments.wanted(eui) or sensor, request)
        if verdict is SignatureVerdict.WRONG:
            raise self._refusal("detach", request, "the signature is wrong")
        telegram = (request.packet_counter, request.signature)
        newest = self._attachments.newest(eui)
        if newest is not None and newest.state == "detached":
            stored = self._copied(request)
        elif self._attachments.last_detach(eui) == telegram:
            raise self._refusal("detach", request, "the sensor has attached again since this request")
        else:
            event = self._event("detach", request, f"signature {verdict.value}")
            detached = self._attachments.detached_over_the_air(event, telegram)
            stored = self._changed(event, request.base_station_eui, detached)
        return Accepted(self._held("detached", eui, b""), stored)

    # common to both

    def _refusal(self, action: Action, request: AttachRequest | DetachRequest, why: str) -> RefusedOverTheAir:
        return RefusedOverTheAir(
            why,
            SensorProblem(
                at=self._now(),
                end_point_eui=request.end_point_eui,
                action=action,
                message=why,
                base_station_eui=request.base_station_eui,
            ),
        )

    def _event(
        self, action: Action, request: AttachRequest | DetachRequest, note: str | None = None
    ) -> SensorStatus:
        """Return the event of the first copy of a request."""
        return SensorStatus(
            at=self._now(),
            action=_DONE[action],
            end_point_eui=request.end_point_eui,
            base_station_eui=request.base_station_eui,
            over_the_air=True,
            message=note,
        )

    def _changed(self, event: SensorStatus, station: EUI, stored: Deferred[None]) -> Deferred[None]:
        """Process the first copy of a request, which is being stored: note that others must be told."""
        eui = event.end_point_eui
        earlier = self._untold.get(eui, set())
        holders = self._untold[eui] = {station}
        self.log.info(
            "sensor {action} over the air {eui} {bs_eui} {note}",
            action=event.action,
            eui=eui,
            bs_eui=station,
            note=event.message,
        )
        commit = self._under_way[eui] = Commit()
        stored.addCallbacks(
            lambda _: self._in_force(eui, holders, commit),
            self._not_changed,
            errbackArgs=(eui, holders, earlier, commit),
        )
        return stored

    def _in_force(self, eui: EUI, holders: set[EUI], commit: Commit) -> None:
        self._ended(eui, commit)
        self._clock.callLater(COMPLETION_TIME, self._tell_others, eui, holders)

    def _not_changed(
        self, failure: Failure, eui: EUI, holders: set[EUI], earlier: set[EUI], commit: Commit
    ) -> Failure:
        """Tell nobody of a change that could not be stored, but of the earlier one that it was to replace.

        :param holders: stations that forwarded its request.
        :param earlier: those of an earlier change that others were still to be told of; empty: there is none,
            or it could not be stored either.
        """
        if self._untold.get(eui) is holders:
            del self._untold[eui]
        holders.clear()
        if earlier:
            self._attachments.propagate(eui, but=earlier)
        self._ended(eui, commit, failure)
        return failure

    def _ended(self, eui: EUI, commit: Commit, failure: Failure | None = None) -> None:
        if self._under_way.get(eui) is commit:
            del self._under_way[eui]
        commit.end(failure)

    def _copied(self, request: AttachRequest | DetachRequest) -> Deferred[None] | None:
        """Process a further copy of a request: its station need not be told.

        It is not answered before the first copy is on disk, and refused if that cannot be stored.
        """
        holders = self._untold.get(request.end_point_eui)
        if holders is not None:
            holders.add(request.base_station_eui)
        commit = self._under_way.get(request.end_point_eui)
        return commit.wait() if commit is not None else None

    def _held(self, state: AttachmentState, eui: EUI, held: bytes) -> Registration:
        """Return the registration at the station that asked, so that the change is not propagated to it."""
        self._observer.registered(eui)
        return Registration(end_point_eui=eui, fingerprint=held, state=state, at=self._now())

    # propagation to the other stations

    def station_changed(self, state: StationState) -> None:
        """Count the requests of a station that connected or disconnected as completed.

        To be given to :meth:`bssci.stations.registry.Stations.watch`.
        """
        self.station_gone(state.base_station_eui)

    def station_gone(self, station: EUI) -> None:
        """Count the requests of a station as completed whose connection has ended, or been replaced."""
        for eui in list(self._untold):
            self.completed(eui, station)

    def completed(self, end_point_eui: EUI, station: EUI) -> None:
        """See :meth:`bssci.stations.over_the_air.SensorRequests.completed`."""
        holders = self._untold.get(end_point_eui, set())
        if station in holders:
            self._tell_others(end_point_eui, holders)

    def _tell_others(self, eui: EUI, holders: set[EUI]) -> None:
        """Propagate a change to the stations that did not forward it, unless they have been told, or that
        is left to a newer change.
        """
        if self._untold.get(eui) is holders:
            del self._untold[eui]
            self._attachments.propagate(eui, but=holders)

    def cancelled(self, end_point_eui: EUI, station: EUI) -> bool:
        """See :meth:`bssci.stations.over_the_air.SensorRequests.cancelled`."""
        self.completed(end_point_eui, station)
        return end_point_eui in self._sensors


def _taking_back(failure: Failure, take_back: Callable[[], None]) -> Failure:
    take_back()
    return failure


def _not_configured(eui: EUI) -> RefusedOverTheAir:
    return RefusedOverTheAir(f"{eui} is not a configured sensor")


def _is_copy(request: AttachRequest, session_key: bytes, newest: Attachment) -> bool:
    """Return whether an attach request is a copy of the newest one: from another station, or repeated.

    A detached sensor has no session key, so that a copy of an old request cannot attach it again.
    """
    return newest.attach_counter == request.attach_counter and newest.session_key == session_key


def _fingerprint(sensor: Sensor, session_key: bytes, short_address: int, request: AttachRequest) -> bytes:
    """Return the fingerprint of the registration after an attach, with the flags that the sensor sent."""
    return attachment_fingerprint(
        session_key,
        short_address,
        sensor.bidirectional,
        request.dual_channel,
        request.repetition,
        request.wide_carrier_offset,
        request.long_block_distance,
    )
