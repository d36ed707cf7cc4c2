"""What waits, what is set aside, and what is said, when a broker refuses messages."""

from __future__ import annotations

import pytest

from bssci.mqtt.values import About, Publication, PublishRefusal
from bssci.sinks.mqtt import refusals as module
from bssci.sinks.mqtt.refusals import PROOFS, TRIALS, PublishRefusals, topic_kind

FORBIDDEN, TOO_LARGE, QUOTA = (
    PublishRefusal(0x87, "not authorized"),
    PublishRefusal(0x95, "packet too large"),
    PublishRefusal(0x97, "quota exceeded"),
)


def uplink(number: int = 1) -> Publication:
    return Publication(f"mioty/ep/70B3D5677011000{number}/ul", b"", False, About("uplink"))


def status() -> Publication:
    return Publication("mioty/ep/70B3D56770110001/status", b"", False, About("sensor-status"))


def test_a_kind_is_named_as_an_access_rule_names_it() -> None:
    assert topic_kind("mioty/ep/70B3D56770110001/ul") == "mioty/ep/+/ul"
    dashed = "mioty/02-00-00-00-00-00-00-01/70-b3-d5-67-70-11-00-01/uplink"
    assert topic_kind(dashed) == "mioty/+/+/uplink"
    assert topic_kind("mioty/service/status") == "mioty/service/status"


def test_uplinks_wait_while_none_is_taken() -> None:
    refusals = PublishRefusals()
    for _ in range(2 * TRIALS):
        assert refusals.note({0: status()}, {1: (uplink(), FORBIDDEN)}) == {1}
    assert "mioty/ep/+/ul (not authorized; they wait)" in refusals.trouble
    refusals.all_taken([uplink()])
    assert refusals.trouble == ""


def test_an_uplink_is_set_aside_where_others_are_taken() -> None:
    refusals = PublishRefusals()
    assert refusals.note({0: uplink(2), 2: uplink(3)}, {1: (uplink(), FORBIDDEN)}) == set()
    assert refusals.trouble == ""
    # Rules may have changed since.
    refusals.connected()
    assert refusals.note({}, {0: (uplink(), FORBIDDEN)}) == {0}


def test_other_kinds_are_set_aside_and_named() -> None:
    refusals = PublishRefusals()
    assert refusals.note({0: uplink()}, {1: (status(), FORBIDDEN)}) == set()
    assert "mioty/ep/+/status (not authorized; they are set aside)" in refusals.trouble


def test_what_is_wrong_with_a_message_is_no_rule() -> None:
    refusals = PublishRefusals()
    assert refusals.note({}, {0: (uplink(), TOO_LARGE)}) == set()
    assert refusals.trouble == ""


def test_all_uplinks_wait_when_none_of_many_is_taken() -> None:
    refusals = PublishRefusals()
    refusals.all_taken([uplink()])
    for _ in range(2):
        assert refusals.note({}, {at: (uplink(), TOO_LARGE) for at in range(11)}) == set(range(11))
    assert refusals.trouble == (
        "the broker refuses what is published on mioty/ep/+/ul (packet too large; they wait)"
    )
    assert refusals.note({11: uplink()}, {at: (uplink(), TOO_LARGE) for at in range(11)}) == set()


@pytest.mark.parametrize(("taken", "position"), [(0, 1), (1, 0)])
def test_an_uplink_that_is_refused_before_or_behind_others_waits(taken: int, position: int) -> None:
    """The rules may have been changed between them, and be or have been about all."""
    refusals = PublishRefusals()
    assert refusals.note({taken: uplink(2)}, {position: (uplink(), FORBIDDEN)}) == {position}
    assert "they wait" in refusals.trouble
    assert refusals.note({0: uplink(2), 2: uplink(3)}, {1: (uplink(), FORBIDDEN)}) == set()
    assert refusals.trouble == ""
    # From now on it is known.
    assert refusals.note({taken: uplink(2)}, {position: (uplink(), FORBIDDEN)}) == set()
    refusals.all_taken([uplink()])
    assert refusals.note({taken: uplink(2)}, {position: (uplink(), FORBIDDEN)}) == {position}


def test_an_uplink_that_is_refused_alone_waits_for_some_attempts() -> None:
    refusals = PublishRefusals()
    refusals.all_taken([uplink(2)])
    refused = {0: (uplink(), FORBIDDEN)}
    assert refusals.witnesses([], refused.values()) == [uplink(2)]
    waits = [refusals.note({}, refused, [uplink(2)]) for _ in range(PROOFS)]
    assert waits == [{0}] * (PROOFS - 1) + [set()] and refusals.trouble == ""
    assert refusals.note({}, refused) == set()


def test_another_witness_is_chosen_each_time_and_only_where_it_is_needed() -> None:
    refusals = PublishRefusals()
    refused = {9: (uplink(), FORBIDDEN)}
    assert refusals.witnesses([], refused.values()) == []
    refusals.all_taken([status(), uplink(2), uplink(3)])
    refusals.all_taken([status()])
    asked = []
    for _ in range(3):
        asked += refusals.witnesses([status()], refused.values())
        assert refusals.note({}, refused) == {9}
    assert asked == [uplink(2), uplink(3), uplink(2)]
    assert refusals.witnesses([uplink(4)], refused.values()) == []
    refusals.all_taken([uplink(2)])
    assert refusals.witnesses([], [(uplink(), TOO_LARGE), (status(), FORBIDDEN)]) == []


def test_of_each_kind_that_waits_one_is_a_witness() -> None:
    def telegram(number: int) -> Publication:
        return Publication(f"mioty/ble/{number}/telegram", b"", False, About("telegram"))

    refusals = PublishRefusals()
    refusals.all_taken([telegram(1), uplink(1)])
    refusals.note({0: uplink(2)}, {1: (status(), FORBIDDEN)})
    refusals.all_taken([uplink(3)])
    assert refusals.witnesses([uplink(4)], [(telegram(2), FORBIDDEN)]) == [telegram(1)]
    assert refusals.witnesses([], [(uplink(4), FORBIDDEN)]) == [uplink(3)]


def test_what_is_remembered_of_refusals_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_REFUSED", 2)
    refusals = PublishRefusals()
    for number in range(9):
        taken = {0: uplink(), 2: uplink()}
        refusals.note(taken, {1: (uplink(number), FORBIDDEN), 9: (uplink(number), QUOTA)})
        assert len(refusals._forbidden) <= 2 and len(refusals._attempts) <= 2


def test_an_uplink_beside_others_is_tried_again_where_that_may_help() -> None:
    refusals = PublishRefusals()
    taken = {0: uplink(2), 2: uplink(3)}
    waits = [refusals.note(taken, {1: (uplink(), QUOTA)}) for _ in range(TRIALS)]
    assert waits == [{1}] * (TRIALS - 1) + [set()]


def test_uplinks_that_are_refused_one_after_the_other_wait() -> None:
    """The rules were changed while we were connected."""
    refusals = PublishRefusals()
    refusals.all_taken([uplink()])
    for _ in range(20):
        assert refusals.note({}, {0: (uplink(), FORBIDDEN)}) == {0}
    assert "(not authorized; they wait): its access rules must let" in refusals.trouble


def test_what_may_pass_is_tried_again_for_some_time() -> None:
    refusals = PublishRefusals()
    waits = [refusals.note({}, {0: (status(), QUOTA)}) for _ in range(TRIALS + 1)]
    assert waits == [{0}] * (TRIALS - 1) + [set(), set()]
