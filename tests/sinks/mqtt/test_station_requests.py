"""What is asked of a base station by MQTT."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from bssci.center.access import Access
from bssci.model.commands import Actor
from bssci.mqtt.values import Received, ReplyTo
from bssci.sinks.mqtt.intake import Intake
from bssci.sinks.mqtt.station_requests import StationRequests
from bssci.wire.errors import ErrorCode
from bssci.wire.messages import Error
from bssci.wire.variable_mac import VmActivate, VmActivateRsp, VmStatus, VmStatusRsp
from tests.support.center import House, Line, make_house  # noqa: F401

TOPIC = "mioty/bs/CAFE000000000001/vm/cmd"


class Desk:
    """Requests to a house with one base station."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.line = Line(house)
        self.line.connect()
        self.line.answer_everything()
        self.answers: list[tuple[str, dict[str, Any]]] = []
        self.requests = StationRequests(
            Access(house.center, Actor("mqtt", "mqtt")),
            "mioty",
            Intake(house.clock, house.journal, house.now),
            self._publish,
        )

    def _publish(self, eui: str, answer: dict[str, Any], reply: ReplyTo | None) -> Deferred[None]:
        self.answers.append((eui, answer))
        return succeed(None)

    def ask(self, request: Any, topic: str = TOPIC, retained: bool = False) -> None:
        payload = request if isinstance(request, bytes) else json.dumps(request).encode()
        self.requests.received(Received(topic, payload, retained))
        self.house.settle()

    def answer(self) -> dict[str, Any]:
        self.house.settle()
        [(eui, answer)] = self.answers
        assert eui == "CAFE000000000001"
        self.answers.clear()
        return answer


@pytest.fixture
def desk(make_house: Callable[..., House]) -> Desk:  # noqa: F811
    return Desk(make_house(0))


def test_activate_is_answered_when_the_station_has_answered(desk: Desk) -> None:
    desk.ask({"command": "activate", "macType": 7, "ref": "a"})
    [request] = desk.line.take(VmActivate)
    assert request.macType == 7
    assert desk.answers == []
    desk.line.say(VmActivateRsp(opId=request.opId))
    answer = desk.answer()
    assert answer.pop("timestamp") > 0
    assert answer == {"bs_eui": "CAFE000000000001", "command": "activate", "ref": "a", "status": "done"}


def test_a_request_beyond_those_that_may_be_under_way_is_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bssci.sinks.mqtt.intake.MAX_RUNNING", 1)
    desk.ask({"command": "activate", "macType": 7})
    desk.ask({"command": "status", "ref": "b"})
    answer = desk.answer()
    assert (answer["status"], answer["error"]["code"], answer["ref"]) == ("failed", "busy", "b")


def test_status_says_what_is_received(desk: Desk) -> None:
    desk.ask({"command": "status"}, TOPIC + "/")
    [request] = desk.line.take(VmStatus)
    desk.line.say(VmStatusRsp(opId=request.opId, macTypes=[1, 7]))
    assert desk.answer()["macTypes"] == [1, 7]


def test_a_station_that_refuses_is_not_asked_again(desk: Desk) -> None:
    desk.ask({"command": "activate", "macType": 7})
    [request] = desk.line.take(VmActivate)
    desk.line.say(Error(opId=request.opId, code=ErrorCode.ENOTSUP, message="no"))
    assert desk.answer()["error"]["code"] == "failed"
    desk.ask({"command": "activate", "macType": 7})
    assert desk.line.take(VmActivate) == []
    assert desk.answer()["status"] == "failed"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"command": "activate", "macType": "7"}, "macType"),
        ({"command": "activate"}, "macType"),
        ({"command": "activate", "macType": 1 << 32}, "macType"),
        ({"command": "explode", "macType": 1}, "command"),
        ({}, "command"),
        (b" " * 65537, "payload"),
    ],
)
def test_bad_input_is_named(desk: Desk, request_: Any, field: str) -> None:
    desk.ask(request_)
    answer = desk.answer()
    assert (answer["status"], answer["error"]["field"]) == ("failed", field)
    assert desk.line.sent == []


def test_what_was_not_even_taken_in(desk: Desk) -> None:
    desk.requests.too_large(TOPIC, 2_000_000)
    desk.requests.too_large("mioty/bs/nonsense/vm/cmd", 2_000_000)
    answer = desk.answer()
    assert (answer["status"], answer["error"]["code"]) == ("failed", "too_large")
    assert answer["timestamp"] > 0


def test_what_is_retained_or_names_no_station(desk: Desk) -> None:
    desk.ask({"command": "status", "ref": "r"}, retained=True)
    answer = desk.answer()
    assert (answer["error"]["code"], answer["ref"]) == ("retained", "r")
    desk.ask({"command": "status"}, "mioty/bs/nonsense/vm/cmd")
    desk.requests.received(Received("mioty/bs/CAFE000000000009/vm/cmd", b""))  # the broker is to forget
    desk.house.settle()
    assert desk.answers == []
    desk.requests.received(Received("mioty/bs/CAFE000000000009/vm/cmd", b'{"command": "status"}'))
    desk.house.settle()
    assert desk.answers[0][1]["error"]["code"] == "unknown_station"


def test_a_fault_of_ours_is_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, expected_errors: list[Failure]
) -> None:
    monkeypatch.setattr(Access, "variable_mac", lambda *_: 1 / 0)
    desk.ask({"command": "status"})
    answer = desk.answer()
    assert (answer["status"], answer["error"]["code"]) == ("failed", "internal")
    assert expected_errors.pop().type is ZeroDivisionError


def test_a_station_gets_requests_in_their_order(desk: Desk) -> None:
    desk.ask({"command": "activate", "macType": 7})
    desk.ask({"command": "status"})
    assert desk.line.take(VmStatus) == []
    [activate] = desk.line.take(VmActivate)
    desk.line.say(VmActivateRsp(opId=activate.opId))
    desk.house.settle()
    [status] = desk.line.take(VmStatus)
    desk.line.say(VmStatusRsp(opId=status.opId, macTypes=[7]))
    desk.house.settle()
    assert [answer["command"] for _, answer in desk.answers] == ["activate", "status"]
