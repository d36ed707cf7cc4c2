"""A service center behind the topics of MQTT, as tests of requests need it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred, succeed

from bssci.center.access import Access
from bssci.model import CommandResponse
from bssci.model.commands import Actor
from bssci.mqtt.filters import Filters
from bssci.mqtt.values import Received, ReplyTo
from bssci.sinks.mqtt.intake import Intake
from bssci.sinks.mqtt.requests import MqttRequests
from bssci.wire.messages import AttPrp, AttPrpRsp, DetPrp, DetPrpRsp, Error
from tests.support.center import KEY, House, Line, make_house, sensor_entry, sensor_eui

__all__ = ["CONFIG", "NEW", "NOBODY", "ONE", "TWO", "Site", "make_house", "site"]

REQUESTS = Filters()
REQUESTS.add(["mioty/ep/+/cmd"])
ONE, TWO, NEW, NOBODY = sensor_eui(1), sensor_eui(2), sensor_eui(7), "0" * 15 + "9"
CONFIG = {"nwKey": KEY, "shortAddr": "0007"}


class Site:
    """A sensor that can receive, one that cannot, and a station that does as it is told.

    :ivar settings: answers to ``config/...``.
    :ivar replies: where else each of those is wanted.
    """

    def __init__(self, make_house: Callable[..., House]) -> None:
        self.house = make_house([sensor_entry(1, bidi=True), sensor_entry(2)])
        self.line = Line(self.house)
        self.line.connect()
        self.line.answer_everything()
        self.settings: list[dict[str, Any]] = []
        self.replies: list[ReplyTo | None] = []
        self.start()

    def start(self) -> None:
        access = Access(self.house.center, Actor("mqtt", "mqtt"))
        self.intake = Intake(self.house.clock, self.house.journal, self.house.now)
        self.requests = MqttRequests(access, "mioty", self.intake, self._publish, REQUESTS.match)
        self.intake.resume(access.unanswered_requests(), lambda topic: self.requests.carry_out)
        self.house.settle()

    def _publish(self, answer: dict[str, Any], reply: ReplyTo | None) -> Deferred[None]:
        self.replies.append(reply)
        self.settings.append(answer)
        return succeed(None)

    def ask(
        self,
        topic: str,
        request: object,
        *,
        retained: bool = False,
        settle: bool = True,
        packet_id: int = 0,
        repeated: bool = False,
        reply: ReplyTo | None = None,
        expires_in: int | None = None,
    ) -> list[object]:
        """What the Deferred fires with that has the broker forget the request; [None] also without one."""
        text = request if isinstance(request, (str, bytes)) else json.dumps(request)
        payload = text.encode() if isinstance(text, str) else text
        confirmed: list[object] = []
        message = Received(topic, payload, retained, packet_id, repeated, reply, expires_in)
        taken = self.requests.received(message)
        (taken or succeed(None)).addBoth(confirmed.append)
        if settle:
            self.house.settle()
        return confirmed

    def unanswered(self) -> list[str]:
        """Topics of the requests that the next start would take up."""
        return [each.topic for each in self.house.journal.kept().requests]

    def obey(self, code: int | None = None) -> None:
        """The station answers what it was told about sensors; with an error, if there is a code."""
        while True:
            self.house.settle()
            asked = [*self.line.take(AttPrp), *self.line.take(DetPrp)]
            if not asked:
                return
            for told in asked:
                answer = AttPrpRsp if isinstance(told, AttPrp) else DetPrpRsp
                self.line.say(
                    answer(opId=told.opId) if code is None else Error(opId=told.opId, code=code, message="no")
                )

    def answers(self, eui: str = ONE) -> list[CommandResponse]:
        return [event for event in self.house.happened(CommandResponse) if event.end_point_eui == eui]

    def statuses(self, eui: str = ONE) -> list[str]:
        return [answer.status for answer in self.answers(eui)]


@pytest.fixture
def site(make_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr("bssci.center.service_center.deferToThread", maybeDeferred)
    return Site(make_house)
