"""Which sensors shall be attached, with which key; and the commands that change it.

Configured means attached with its own key. What differs from that (attached over the air,
detached by command, by the sensor or for its silence) is stored here. Every base station is
brought to hold what is wanted: at once if it is connected, else when it is back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.center.outcomes import Answers, Outcomes
from bssci.center.sensors import Changes, Sensors, fingerprint_of
from bssci.clock import Clock
from bssci.journal import Attachment, Journal
from bssci.model import EUI, Sensor

if TYPE_CHECKING:
    from bssci.center.propagation import Action
    from bssci.center.stations import Stations

ANSWER_TIME = 30.0
"""s that a command waits for the stations' answers"""


class Attachments:
    """What base stations shall hold.

    :ivar stations: set once by whoever makes both.
    """

    log = Logger()
    stations: Stations

    def __init__(self, clock: Clock, journal: Journal, sensors: Sensors) -> None:
        self._clock = clock
        self._journal = journal
        self._sensors = sensors
        self._stored = journal.load_attachments()

    # what is wanted

    def get(self, eui: EUI) -> Attachment | None:
        """What is stored of a sensor; None if it is only configured."""
        return self._stored.get(eui)

    def is_attached(self, eui: EUI) -> bool:
        """Whether base stations shall serve it."""
        stored = self._stored.get(eui)
        return eui in self._sensors and (stored is None or stored.state == "attached")

    def wanted(self, eui: EUI) -> Sensor | None:
        """What stations shall hold of a sensor, with its session key if it attached over the air."""
        sensor = self._sensors.get(eui)
        stored = self._stored.get(eui)
        if sensor is None or stored is None:
            return sensor
        if stored.state == "detached":
            return None
        if stored.session_key is None or stored.short_address is None:
            return sensor
        return msgspec.structs.replace(
            sensor, network_key=stored.session_key, short_address=stored.short_address
        )

    def fingerprints(self) -> Iterator[tuple[EUI, bytes]]:
        """Every sensor that shall be attached, and the fingerprint of what stations shall hold of it."""
        for eui, fingerprint in self._sensors.fingerprints():
            if eui not in self._stored:
                yield eui, fingerprint
            elif (sensor := self.wanted(eui)) is not None:
                yield eui, fingerprint_of(sensor)

    # commands: outcomes per sensor and station

    async def attach(self, euis: Sequence[EUI], *, reason: str = "command", at: float) -> Outcomes:
        """Attach configured sensors everywhere, whatever stations hold already.

        :param reason: ``command`` or ``heard again``.
        :param at: Unix seconds.
        :return: when the connected stations have answered, or after 30 s.
        """
        stored = [self._stored[eui] for eui in euis if eui in self._stored]
        detached = [attachment for attachment in stored if attachment.state == "detached"]
        if detached:
            # The counter stays: an attach over the air that was recorded earlier must not come again.
            await self._store([replace(each, state="attached", reason=reason, since=at) for each in detached])
        return await self._tell(euis, "attach")

    async def detach(self, euis: Sequence[EUI], *, reason: str = "command", at: float) -> Outcomes:
        """Detach sensors everywhere; they stay configured.

        :param reason: ``command`` or ``inactivity``.
        :param at: Unix seconds.
        """
        await self._store([self._detached(eui, reason, at) for eui in euis])
        return await self._tell(euis, "detach")

    async def changed(self, changes: Changes, *, at: float) -> Outcomes:
        """The configuration of sensors changed. A new key makes what was attached with the old one void.

        :param at: Unix seconds.
        """
        void = [eui for eui in (*changes.rekeyed, *changes.detach) if eui in self._stored]
        if void:
            await self._forget(void)
        outcomes = await self.attach(changes.attach, at=at)
        outcomes.update(await self._tell(changes.detach, "detach"))
        return outcomes

    # over the air

    def attached_over_the_air(
        self, eui: EUI, *, session_key: bytes, short_address: int, attach_counter: int, at: float
    ) -> Deferred[None]:
        """A sensor attached itself: stored when the Deferred fires; see :meth:`propagate`."""
        attachment = Attachment(
            end_point_eui=eui,
            state="attached",
            session_key=session_key,
            short_address=short_address,
            attach_counter=attach_counter,
            reason="over the air",
            since=at,
        )
        return self._store([attachment])

    def detached_over_the_air(self, eui: EUI, *, at: float) -> Deferred[None]:
        """A sensor said goodbye: stored when the Deferred fires; see :meth:`propagate`."""
        return self._store([self._detached(eui, "over the air", at)])

    def propagate(self, attach: Iterable[EUI], detach: Iterable[EUI], *, but: Collection[EUI]) -> None:
        """Tell the connected stations, ``but`` those that know already; the others when they are back."""
        attach, detach = list(attach), list(detach)
        for station in self.stations.connected():
            if station.eui not in but:
                station.propagation.change(attach, "attach")
                station.propagation.change(detach, "detach")

    # storing and telling

    def _detached(self, eui: EUI, reason: str, at: float) -> Attachment:
        stored = self._stored.get(eui)
        if stored is not None:
            return replace(
                stored, state="detached", session_key=None, short_address=None, reason=reason, since=at
            )
        return Attachment(end_point_eui=eui, state="detached", reason=reason, since=at)

    def _store(self, attachments: Sequence[Attachment]) -> Deferred[None]:
        before = {each.end_point_eui: self._stored.get(each.end_point_eui) for each in attachments}
        self._stored.update({attachment.end_point_eui: attachment for attachment in attachments})
        return self._journal.store_attachments(attachments).addErrback(self._not_stored, attachments, before)

    def _not_stored(
        self, failure: Failure, attachments: Sequence[Attachment], before: dict[EUI, Attachment | None]
    ) -> Failure:
        """It never happened, unless something else has happened since."""
        for attachment in attachments:
            eui = attachment.end_point_eui
            if self._stored.get(eui) is attachment:
                earlier = before[eui]
                if earlier is None:
                    del self._stored[eui]
                else:
                    self._stored[eui] = earlier
        return failure

    def _forget(self, euis: Sequence[EUI]) -> Deferred[None]:
        for eui in euis:
            self._stored.pop(eui, None)
        return self._journal.delete_attachments(euis)

    async def _tell(self, euis: Collection[EUI], action: Action) -> Outcomes:
        if not euis:
            return {}
        answers = Answers(self._clock, ANSWER_TIME)
        for station in self.stations:
            if station.propagation.running:
                answers.expect(station.eui, euis)
                station.propagation.change(euis, action, answers)
            else:
                answers.away(station.eui, euis)
        outcomes = await answers.all()
        await self._journal.write(lambda cursor: None)  # what the stations answered is on disk then
        return outcomes
