"""Requests are on disk before the broker hears that we have them, and carried out once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from bssci.journal import Change, StorageError
from bssci.model import AnyEvent, CommandResponse
from bssci.sinks.mqtt.disk_order import AT_ONCE, RETRY, Stopped
from bssci.sinks.mqtt.intake import UNACKNOWLEDGED
from tests.sinks.mqtt.mqtt_site import CONFIG, NEW, ONE, TWO, Site, make_house, site
from tests.support.log_lines import log_lines

__all__ = ["log_lines", "make_house", "site"]

CMD, DL = f"mioty/ep/{ONE}/cmd", f"mioty/ep/{ONE}/dl"


def restart(site: Site) -> None:
    """As kill -9, then a start."""
    site.house.crash()
    site.house.advance(1.0)
    site.start()


def test_the_broker_hears_of_it_after_the_commit(site: Site) -> None:
    confirmed = site.ask(CMD, "status", packet_id=1, settle=False)
    assert confirmed == [] and site.unanswered() == []
    site.house.journal.commit()
    assert confirmed == [None]
    site.house.settle()
    assert site.statuses() == ["received", "done"]
    assert site.unanswered() == []


@pytest.mark.parametrize("request_", ["attach", "detach"])
def test_what_a_kill_cut_short_goes_on_at_the_start(site: Site, request_: str) -> None:
    site.ask(CMD, {"command": request_, "ref": "cut"}, packet_id=1)
    assert site.unanswered() == [f"ep/{ONE}/cmd"]
    restart(site)
    site.obey()
    assert [(answer.status, answer.ref) for answer in site.answers()] == [
        ("received", "cut"),
        ("done", "cut"),
    ]
    assert site.house.center.attachments.is_attached(ONE) is (request_ == "attach")
    restart(site)
    assert len(site.answers()) == 2


def test_what_was_stored_and_not_begun_is_done_at_the_start(site: Site) -> None:
    site.ask(f"mioty/ep/{NEW}/config", CONFIG, packet_id=1, settle=False)
    site.house.journal.commit()
    site.house.journal.queues[0][1].clear()
    restart(site)
    site.obey()
    assert site.statuses(NEW)[-1] == "done"
    assert NEW in site.house.center.sensors


def test_a_downlink_is_queued_once_whenever_the_kill_comes(site: Site) -> None:
    site.ask(DL, {"data": [1]}, packet_id=1)
    for packet_id in (2, 3):
        site.ask(DL, {"data": [1]}, packet_id=packet_id, settle=False)
    # Commit by commit, until one of them is queued and not answered.
    while site.house.journal.kept().downlinks.last_queue_id < 2:
        site.house.clock.advance(0)
        queue = site.house.journal.queues[0][1]
        group = queue.copy()
        queue.clear()
        site.house.journal.queues[0][0].serve(group)
        for worker, waiting in site.house.journal.queues[1:]:
            worker.serve(waiting.copy())
            waiting.clear()
    assert len(site.unanswered()) == 2
    restart(site)
    assert site.house.journal.kept().downlinks.last_queue_id == 3
    assert [answer.result.get("queId") for answer in site.answers() if answer.status == "done"] == [1, 2, 3]


def test_what_the_broker_delivers_again_is_not_done_again(site: Site) -> None:
    site.ask(DL, {"data": [1]}, packet_id=7)
    restart(site)
    assert site.ask(DL, {"data": [1]}, packet_id=7, repeated=True) == [None]
    assert site.house.journal.kept().downlinks.last_queue_id == 1
    for packet_id, data in ((8, [1]), (7, [2])):
        assert site.ask(DL, {"data": data}, packet_id=packet_id, repeated=True) == [None]
    assert site.house.journal.kept().downlinks.last_queue_id == 3


def test_however_many_the_broker_delivers_again_none_is_done_again(site: Site) -> None:
    requests = [{"data": [number]} for number in range(150)]
    for again in (False, True):
        for packet_id, request in enumerate(requests, 1):
            site.ask(DL, request, packet_id=packet_id, repeated=again, settle=False)
        site.house.settle()
    assert site.house.journal.kept().downlinks.last_queue_id == 150


def test_an_earlier_request_of_the_same_content_is_not_taken_for_one_delivered_again(site: Site) -> None:
    site.ask(DL, {"data": [1]}, packet_id=7)
    site.house.advance(UNACKNOWLEDGED + 1, step=10.0)
    site.ask(DL, {"data": [2]}, packet_id=8)
    site.ask(DL, {"data": [1]}, packet_id=7, repeated=True)
    assert site.house.journal.kept().downlinks.last_queue_id == 3


def test_what_comes_behind_a_repeated_one_stays_behind_it(site: Site) -> None:
    site.ask(CMD, {"command": "detach", "ref": 1}, packet_id=1, repeated=True, settle=False)
    site.ask(CMD, {"command": "attach", "ref": 2}, packet_id=2, settle=False)
    site.obey()
    assert [answer.ref for answer in site.answers() if answer.status == "done"] == [1, 2]
    assert site.house.center.attachments.is_attached(ONE)


def test_a_stop_leaves_requests_to_the_next_start(site: Site) -> None:
    site.ask(CMD, "detach", packet_id=1)
    confirmed = site.ask(f"mioty/ep/{TWO}/cmd", "detach", packet_id=2, settle=False)
    site.intake.stop()
    site.obey()
    assert site.statuses() == ["received"]
    late = site.ask(CMD, "status", packet_id=3)
    assert late[0].check(Stopped)
    assert confirmed == [None]
    restart(site)
    site.obey()
    assert site.statuses()[-1] == site.statuses(TWO)[-1] == "done"
    assert site.unanswered() == []


@pytest.mark.parametrize("repeated", [False, True])
def test_what_fails_after_a_stop_is_not_tried_again(site: Site, repeated: bool) -> None:
    confirmed = site.ask(CMD, "status", packet_id=1, repeated=repeated, settle=False)
    site.intake.stop()
    site.house.journal.broken = True
    site.house.journal.commit()
    site.house.journal.broken = False
    assert [failure.type for failure in confirmed] == [Stopped]  # type: ignore[attr-defined]
    site.house.advance(RETRY)
    assert site.unanswered() == []


def test_a_stop_ends_what_waits_for_the_disk(site: Site) -> None:
    site.house.journal.broken = True
    confirmed = site.ask(CMD, "detach", packet_id=1)
    site.intake.stop()
    assert confirmed[0].check(Stopped)
    assert site.intake.figures()["queued"] == 0
    site.house.journal.broken = False


def test_a_fault_before_a_request_is_stored_leaves_no_place_taken(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = site.requests._intake
    with monkeypatch.context() as patch:
        patch.setattr(intake._journal.requests, "receive", lambda *values: 1 / 0)
        [failure] = site.ask(CMD, "status", packet_id=1)
    assert isinstance(failure, Failure) and failure.type is ZeroDivisionError
    assert intake.figures()["queued"] == 0 and not intake._bytes


def test_a_damaged_request_costs_itself(site: Site) -> None:
    site.house.journal.requests.receive("mqtt", f"ep/{ONE}/cmd", b"\xff", 1.0)
    site.house.journal.requests.receive("mqtt", "nonsense", b"\x92\x00\xc4\x00", 1.0)
    site.house.settle()
    restart(site)
    assert site.unanswered() == []


def test_the_queue_of_requests_is_measured(site: Site) -> None:
    site.ask(CMD, "detach")
    site.house.advance(3)
    site.ask(f"mioty/ep/{TWO}/cmd", "fly")
    figures = site.intake.figures()
    assert figures | {"rate": 0} == {
        "queued": 1,
        "oldest_seconds": pytest.approx(3),
        "answered": 1,
        "failed": 1,
        "rate": 0,
        "failing": False,
        "misaddressed": 0,
    }
    assert figures["rate"] == pytest.approx(1 / 3)
    site.obey()
    figures = site.intake.figures()
    assert (figures["queued"], figures["oldest_seconds"], figures["answered"]) == (0, 0.0, 2)
    site.house.advance(61)
    assert site.intake.figures()["rate"] == 0


@pytest.mark.parametrize(
    "payload",
    [
        "\ufeffstatus".encode(),
        '\ufeff{"command": "status"}'.encode(),
        '{"command": "status"}'.encode("utf-16"),
        "status".encode("utf-16"),
        b"\xfe\xff" + "status".encode("utf-16-be"),
    ],
)
def test_a_byte_order_mark_is_passed_over(site: Site, payload: bytes) -> None:
    site.ask(CMD, payload)
    assert (site.answers()[-1].command, site.answers()[-1].status) == ("status", "done")


def test_what_a_configuration_does_not_name_stays(site: Site) -> None:
    site.ask(f"mioty/ep/{NEW}/config", CONFIG | {"bidi": True, "name": "cellar", "room": 3})
    site.obey()
    site.ask(f"mioty/ep/{NEW}/config", {"name": "attic"})
    site.obey()
    assert site.statuses(NEW)[-1] == "done"
    sensor = site.house.center.sensors.get(NEW)
    assert (sensor.bidirectional, sensor.name, sensor.short_address) == (True, "attic", 7)
    assert '"room": 3' in site.house.sensors_file.read_text()


def test_a_full_disk_is_told_once_a_minute(site: Site, log_lines: list[str]) -> None:
    site.house.journal.broken = True
    for packet_id in range(1, 4):
        site.ask(CMD, "status", packet_id=packet_id)
    site.house.advance(5 * RETRY)
    assert len([line for line in log_lines if line.startswith("request waits for the disk")]) == 1
    site.house.journal.broken = False
    site.house.advance(RETRY)
    assert site.statuses().count("done") == 3


def test_many_requests_that_waited_for_the_disk_are_begun_some_at_a_time_in_order(site: Site) -> None:
    site.house.journal.broken = True
    count = 2 * AT_ONCE + 5
    for ref in range(count):
        site.ask(CMD, {"command": "status", "ref": ref}, packet_id=ref + 1, settle=False)
    site.house.settle()
    site.house.journal.broken = False
    site.house.advance(RETRY)
    site.ask(CMD, {"command": "status", "ref": count}, packet_id=count + 1)
    assert [answer.ref for answer in site.answers() if answer.status == "done"] == list(range(count + 1))


def test_a_stop_ends_those_that_wait_behind_the_first(site: Site) -> None:
    site.house.journal.broken = True
    confirmed = [site.ask(CMD, "status", packet_id=number) for number in range(1, 4)]
    site.intake.stop()
    assert all(failure.check(Stopped) for [failure] in confirmed)
    assert site.intake.figures()["queued"] == 0
    site.house.journal.broken = False


def test_requests_that_wait_for_the_disk_stay_in_order(site: Site) -> None:
    site.house.journal.broken = True
    commands = ("detach", "attach", "detach", "attach")
    for ref, command in enumerate(commands[:3]):
        site.ask(CMD, {"command": command, "ref": ref}, packet_id=ref + 1)
        site.house.advance(1.0)
    # The first is tried again, and fails, before there is room; the second after that.
    site.house.advance(RETRY - 3.0 + 0.5)
    site.house.journal.broken = False
    site.ask(CMD, {"command": commands[3], "ref": 3}, packet_id=4)
    site.house.advance(3 * RETRY, step=0.5)
    site.obey()
    assert [answer.ref for answer in site.answers() if answer.status == "done"] == [0, 1, 2, 3]
    assert site.intake.figures()["failing"] is False


def test_answers_that_wait_for_the_disk_stay_in_order(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    append, full = site.house.journal.events.append, [True]

    def refuse_answers(events: list[AnyEvent], beside: Sequence[Change] = ()) -> Deferred[Any]:
        if full[0] and any(isinstance(event, CommandResponse) and event.status == "done" for event in events):
            return fail(StorageError("the disk is full"))
        return append(events, beside=beside)

    monkeypatch.setattr(site.house.journal.events, "append", refuse_answers)
    for ref in range(3):
        site.ask(CMD, {"command": "status", "ref": ref}, packet_id=ref + 1)
        site.house.advance(1.0)
    site.house.advance(RETRY - 3.0 + 0.5)
    full[0] = False
    site.ask(CMD, {"command": "status", "ref": 3}, packet_id=4)
    site.house.advance(3 * RETRY, step=0.5)
    assert [answer.ref for answer in site.answers() if answer.status == "done"] == [0, 1, 2, 3]
