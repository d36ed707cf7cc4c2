"""Commands to scanners, from the door to the report that follows."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, ensureDeferred

from bssci.center.devices.command_exchange import ANSWER_TIME
from bssci.model.commands import CommandError
from tests.center.devices.gateways import Air
from tests.center.devices.test_controller_commands import Broker
from tests.support.center import TESTER, House, result_of

TOPIC = "site/bt/scanner/roof/status"


@pytest.fixture
def broker(house: House) -> Broker:
    broker = Broker()
    house.center.sources.add(broker)
    report(house)
    return broker


def report(house: House, status: str = "online", **more: Any) -> None:
    Air(house).report(
        status, id=f"r{status}{house.now()}", envelope={"topic": TOPIC, "status": status, **more}
    )


def command(house: House, name: str = "pause", id: str = "scanner:roof", **parameters: Any) -> Deferred[Any]:
    done = ensureDeferred(house.commands.devices.command_scanner(id, name, parameters, TESTER))
    house.settle()
    return done


def test_the_report_that_follows_is_the_answer(house: House, broker: Broker) -> None:
    done = command(house, "update_blocklist", add=["AA:BB:CC"])
    [(topic, body)] = broker.published
    assert topic == "site/bt/command/roof"
    assert (body["version"], body["command"], body["parameters"]) == (
        "1.0", "update_blocklist", {"add": ["AA:BB:CC"]},
    )  # fmt: skip
    assert body["timestamp"].endswith("Z")
    report(house, "degraded", config={"blocklist_count": 1})
    answer = result_of(done)
    assert (answer.topic, answer.answered, answer.report["config"]) == (topic, True, {"blocklist_count": 1})
    assert house.audited()[0] == ("gateway.command", "scanner:roof", "update_blocklist add 1")


def test_a_scanner_whose_clock_is_behind_takes_commands_and_one_with_an_old_report_does_not(
    house: House, broker: Broker
) -> None:
    air = Air(house)
    for scanner, retained in (("cellar", False), ("attic", True)):
        topic = f"bt/scanner/{scanner}/status"
        air.report(
            scanner=scanner, gateway_time=house.now() - 420, envelope={"topic": topic, "retained": retained}
        )
    command(house, id="scanner:cellar")
    assert [topic for topic, _ in broker.published] == ["bt/command/cellar"]
    with pytest.raises(CommandError, match="has not sent a report yet, or only an old one"):
        result_of(command(house, id="scanner:attic"))


def test_a_scanner_that_is_silent_does_not_answer(house: House, broker: Broker) -> None:
    done = command(house)
    house.clock.advance(ANSWER_TIME)
    house.settle()
    answer = result_of(done)
    assert (answer.answered, answer.report) == (False, None)


@pytest.mark.parametrize(
    ("id", "code"),
    [
        ("scanner:cellar", "unknown_gateway"),
        ("controller:f2-0a1b2c3d4e5f", "invalid"),
        ("scanner:new", "unavailable"),
    ],
)
def test_what_takes_no_commands_is_named(house: House, broker: Broker, id: str, code: str) -> None:
    air = Air(house)
    air.advertise(gateway="new")
    air._bring(device="f2:0a1b2c3d4e5f/J1/3", gateway="f2-0a1b2c3d4e5f", envelope={"direction": "tele"})
    done = ensureDeferred(house.commands.devices.command_scanner(id, "pause", {}, TESTER))
    house.settle()
    with pytest.raises(CommandError) as caught:
        result_of(done)
    assert caught.value.code == code
    assert broker.published == []
