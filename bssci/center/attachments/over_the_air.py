"""Sensors that attach and detach themselves over the air (§5.6, §5.7).

A sensor's telegram comes once from each station that heard it. The first copy is stored and
reported; every copy is answered, also one that is issued again after a resume. When a station
has our answer, or its connection changed before it could say so, the stations that did not
bring a copy are told:

    att, det --stored--> answer --attCmp, detCmp--> attPrp, detPrp to all the others
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.center.attachments.attachments import Attachments
from bssci.center.attachments.propagation import Action
from bssci.center.devices.sensors import Sensors, fingerprint
from bssci.center.uplinks.activity import Activities
from bssci.journal import Attachment, Registration
from bssci.model import EUI, Sensor, SensorProblem, SensorStatus, StationState, attach_crypto, eui_from_int
from bssci.stations.station import Batch, Station
from bssci.wire.errors import ErrorCode, ProtocolError
from bssci.wire.messages import Att, AttRsp, Det, DetRsp

_DONE: dict[Action, Literal["attached", "detached"]] = {"attach": "attached", "detach": "detached"}


class Verdict(Enum):
    """What a :class:`DetachVerifier` thinks of a signature."""

    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    """accepted all the same"""
    WRONG = "wrong"
    """refused"""


class DetachVerifier(Protocol):
    """Judges the signature of a detach."""

    def verify(self, sensor: Sensor, message: Det) -> Verdict:
        """Called for every ``det`` of a configured sensor.

        :param sensor: with its session key if it is attached over the air.
        """


class LenientDetachVerifier:
    """Accepts every detach: how its signature is made is not public."""

    def verify(self, sensor: Sensor, message: Det) -> Verdict:
        return Verdict.UNVERIFIED


@dataclass
class _Untold:
    """A change that not all stations know of."""

    action: Action
    holders: set[EUI]
    """the stations that brought a copy of it"""


class Observer:
    """Whoever must know; these do nothing."""

    def attached(self, eui: EUI, at: float) -> None:
        """A sensor attached itself at this time (Unix seconds)."""

    def registered(self, eui: EUI) -> None:
        """What a station holds of a sensor is another thing now; in this turn of the reactor it is stored."""

    def unknown(self, eui: EUI, station: EUI, message: Att) -> None:
        """A sensor that is not configured asks to be attached."""


class OverTheAir:
    """§5.6 and §5.7.

    :param now: Unix seconds.
    :param observer: hears of what concerns others.
    """

    log = Logger()

    def __init__(
        self,
        sensors: Sensors,
        attachments: Attachments,
        activities: Activities,
        now: Callable[[], float],
        detach_verifier: DetachVerifier | None = None,
        *,
        observer: Observer | None = None,
    ) -> None:
        self._sensors = sensors
        self._attachments = attachments
        self._activities = activities
        self._now = now
        self._detach_verifier = detach_verifier or LenientDetachVerifier()
        self._observer = observer or Observer()
        self._untold: dict[EUI, _Untold] = {}
        self._last_detach: dict[EUI, tuple[int, list[int]]] = {}

    # attach

    def handle_att(self, station: Station, message: Att, batch: Batch) -> None:
        sensor = self._sensor(message, station)
        eui, signature = sensor.eui, bytes(message.sign)
        if not attach_crypto.is_signed(signature, sensor.network_key, message.epEui, message.attachCnt):
            raise self._refusal("attach", message, station, batch, "the signature is wrong")
        key = attach_crypto.session_key(sensor.network_key, message.epEui, bytes(message.nonce), signature)
        address = sensor.short_address if message.shAddr is None else message.shAddr
        stored = self._attachments.get(eui)
        if stored is not None and _is_copy(message, key, stored):
            self._copied(eui, station)
            if message.shAddr is None and stored.short_address is not None:
                address = stored.short_address
        elif stored is not None and not attach_crypto.may_follow(message.attachCnt, stored.attach_counter):
            why = f"the attach counter {message.attachCnt} does not follow {stored.attach_counter}"
            raise self._refusal("attach", message, station, batch, why)
        else:
            now = self._now()
            self._activities.restart_counter(eui, now)
            attached = self._attachments.attached_over_the_air(
                eui, session_key=key, short_address=address, attach_counter=message.attachCnt, at=now
            )
            self._changed("attach", eui, attached, station, batch)
            self._observer.attached(eui, now)
        self._hold("attached", eui, _fingerprint(sensor, key, address, message), station, batch)
        batch.answers.append(
            AttRsp(opId=message.opId, nwkSnKey=list(key), shAddr=address if message.shAddr is None else None)
        )

    def complete_att(self, station: Station, request: Att) -> None:
        self._completed(eui_from_int(request.epEui), station.eui)

    # detach

    def handle_det(self, station: Station, message: Det, batch: Batch) -> None:
        sensor = self._sensor(message, station)
        eui = sensor.eui
        verdict = self._detach_verifier.verify(self._attachments.wanted(eui) or sensor, message)
        if verdict is Verdict.WRONG:
            raise self._refusal("detach", message, station, batch, "the signature is wrong")
        telegram = (message.packetCnt, message.sign)
        if not self._attachments.is_attached(eui):
            self._copied(eui, station)
        elif self._last_detach.get(eui) == telegram:
            why = "the sensor is attached again since this telegram"
            raise self._refusal("detach", message, station, batch, why)
        else:
            detached = self._attachments.detached_over_the_air(eui, at=self._now())
            detached.addCallback(lambda _: self._last_detach.update({eui: telegram}))
            self._changed("detach", eui, detached, station, batch, f"signature {verdict.value}")
        self._hold("detached", eui, b"", station, batch)
        batch.answers.append(DetRsp(opId=message.opId, sign=message.sign))

    def complete_det(self, station: Station, request: Det) -> None:
        self._completed(eui_from_int(request.epEui), station.eui)

    # common to both

    def _sensor(self, message: Att | Det, station: Station) -> Sensor:
        eui = eui_from_int(message.epEui)
        sensor = self._sensors.get(eui)
        if sensor is None:
            if isinstance(message, Att):
                self._observer.unknown(eui, station.eui, message)
            raise ProtocolError(ErrorCode.ENOENT, f"{eui} is not a configured sensor", message.opId)
        return sensor

    def _refusal(
        self, action: Action, message: Att | Det, station: Station, batch: Batch, why: str
    ) -> ProtocolError:
        """What to raise; reported."""
        problem = SensorProblem(
            at=self._now(),
            end_point_eui=eui_from_int(message.epEui),
            action=action,
            message=why,
            base_station_eui=station.eui,
        )
        batch.events.append(problem)
        return ProtocolError(ErrorCode.EPROTO, why, message.opId)

    def _changed(
        self,
        action: Action,
        eui: EUI,
        stored: Deferred[None],
        station: Station,
        batch: Batch,
        note: str | None = None,
    ) -> None:
        """The first copy: the other stations do not know, and sinks hear of it."""
        untold = self._untold[eui] = _Untold(action, {station.eui})
        batch.stored.append(stored.addErrback(self._not_changed, eui, untold))
        event = SensorStatus(
            at=self._now(),
            action=_DONE[action],
            end_point_eui=eui,
            base_station_eui=station.eui,
            over_the_air=True,
            message=note,
        )
        batch.events.append(event)
        self.log.info(
            "sensor {action} over the air {eui} {bs_eui} {note}",
            action=event.action,
            eui=eui,
            bs_eui=station.eui,
            note=note,
        )

    def _not_changed(self, failure: Failure, eui: EUI, untold: _Untold) -> Failure:
        if self._untold.get(eui) is untold:
            del self._untold[eui]
        return failure

    def _copied(self, eui: EUI, station: Station) -> None:
        """A further copy: one station less to tell."""
        untold = self._untold.get(eui)
        if untold is not None:
            untold.holders.add(station.eui)

    def _hold(
        self,
        state: Literal["attached", "detached"],
        eui: EUI,
        held: bytes,
        station: Station,
        batch: Batch,
    ) -> None:
        """Keep what the station holds with our answer, so that it is not told again."""
        batch.registrations.append(
            Registration(end_point_eui=eui, fingerprint=held, state=state, at=self._now())
        )
        station.propagation.knows(eui)
        self._observer.registered(eui)

    # telling the others

    def station_changed(self, state: StationState) -> None:
        """A station came or went: what it left uncompleted is over.

        To be given to :meth:`bssci.stations.registry.Stations.watch`.
        """
        for eui in list(self._untold):
            self._completed(eui, state.base_station_eui)

    def _completed(self, eui: EUI, station: EUI) -> None:
        untold = self._untold.get(eui)
        if untold is None or station not in untold.holders:
            return
        del self._untold[eui]
        attach, detach = ([eui], []) if untold.action == "attach" else ([], [eui])
        self._attachments.propagate(attach, detach, but=untold.holders)


def _is_copy(message: Att, session_key: bytes, stored: Attachment) -> bool:
    """Whether this attach is the one that is in force: from another station, or issued again.

    A detached sensor has no session key, so that an old attach cannot bring it back.
    """
    return stored.attach_counter == message.attachCnt and stored.session_key == session_key


def _fingerprint(sensor: Sensor, session_key: bytes, short_address: int, message: Att) -> bytes:
    """Of what a station holds after an attach: with the flags that the sensor itself announced."""
    return fingerprint(
        session_key,
        short_address,
        sensor.bidirectional,
        message.dualChan,
        message.repetition,
        message.wideCarrOff,
        message.longBlkDist,
    )
