"""Requests in, answers out: a whole service center in memory behind the topics."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from bssci.center.access import Access
from bssci.center.downlinks.request_json import NOT_YET_REVOKED
from bssci.model import EUI, Downlink
from bssci.mqtt.values import ReplyTo
from bssci.sinks.mqtt import requests as requests_module
from bssci.sinks.mqtt.disk_order import RETRY, Stopped
from bssci.system.line_limit import LINES
from bssci.wire.messages import (
    AttPrp,
    AttPrpRsp,
    DlDataQue,
    DlDataQueRsp,
    DlDataRev,
)
from tests.sinks.mqtt.mqtt_site import CONFIG, NEW, NOBODY, ONE, TWO, Site, make_house, site
from tests.support.cases import case
from tests.support.center import KEY, Line
from tests.support.log_lines import log_lines
from tests.support.wire import uplink

__all__ = ["log_lines", "make_house", "site"]


TOPICS = [
    f"{prefix}/{eui}/cmd{end}"
    for prefix in ("mioty/ep", "mioty/EP", "EP")
    for eui in (ONE, ONE.lower(), "70-B3-D5-67-70-11-00-01")
    for end in ("", "/")
]


def test_every_spelling_of_the_topic_is_heard(site: Site) -> None:
    for number, topic in enumerate(TOPICS, 1):
        with case(topic):
            site.ask(topic, "status")
            assert site.statuses() == ["received", "done"] * number
            heard = site.requests.topics() + site.requests.older_topics()
            assert any(_matches(filter, topic) for filter in heard)


def _matches(topic_filter: str, topic: str) -> bool:
    wanted, given = topic_filter.split("/"), topic.split("/")
    return len(wanted) == len(given) and all(
        one in ("+", other) for one, other in zip(wanted, given, strict=True)
    )


@pytest.mark.parametrize(
    ("payload", "ref"),
    [
        ("detach", None),
        (" DETACH\n", None),
        ('"detach"', None),
        ({"command": "detach"}, None),
        ({"action": "detach", "ref": "r"}, "r"),
        ({"command": "detach", "action": "attach", "ref": 5}, 5),
    ],
)
def test_every_form_of_a_command_is_understood(site: Site, payload: object, ref: object) -> None:
    site.ask(f"mioty/ep/{ONE}/cmd", payload)
    assert site.statuses() == ["received"]
    site.obey()
    received, done = site.answers()
    assert (received.command, received.status, received.ref) == ("detach", "received", ref)
    assert (done.command, done.status, done.ref) == ("detach", "done", ref)
    assert done.result == {"base_stations": {"CAFE000000000001": {"state": "done"}}}
    assert not site.house.center.attachments.is_attached(ONE)


def test_status_tells_registration_activity_signal_and_path(site: Site, log_lines: list[str]) -> None:
    site.ask(f"mioty/ep/{ONE}/cmd", "status")
    result = site.answers()[-1].result
    assert set(result) == {"registration", "activity", "signal", "preferred_path"}
    assert result["registration"]["attached"] is True
    assert [line for line in log_lines if "status query" in line and ONE in line]


@pytest.mark.parametrize("kind", ["config", "register", "config/"])
def test_a_sensor_is_stored_and_attached(site: Site, kind: str) -> None:
    site.ask(f"mioty/ep/{NEW}/{kind}", CONFIG | {"ref": 1, "room": "cellar"})
    site.obey()
    done = site.answers(NEW)[-1]
    assert (done.command, done.status, done.ref) == ("config", "done", 1)
    [entry] = [each for each in json.loads(site.house.sensors_file.read_text()) if each["eui"] == NEW]
    assert entry["bidi"] is False and entry["room"] == "cellar" and "ref" not in entry
    site.ask(f"mioty/ep/{NEW}/{kind}", CONFIG | {"ref": 1, "room": "cellar"})
    site.obey()
    assert site.statuses(NEW) == ["received", "done"] * 2
    assert len(site.house.center.sensors) == 3


@pytest.mark.parametrize("data", [[1, 171], "01aB", {"base64": "Aas="}])
def test_a_downlink_in_every_form_of_data(site: Site, data: object) -> None:
    site.ask(f"mioty/ep/{ONE}/dl", {"data": data, "ref": "d"})
    done = site.answers()[-1]
    assert (done.command, done.status, done.ref) == ("downlink", "done", "d")
    [stored] = site.house.journal.kept().downlinks.queued.values()
    assert stored == 1
    assert done.result == {"queId": 1, "state": "queued"}
    site.ask(f"mioty/ep/{ONE}/dl", {"revoke": 1})
    assert site.answers()[-1].result == {"queId": 1, "state": "revoked"}


def test_a_downlink_of_an_application_center(site: Site) -> None:
    topic = "mioty/02-00-00-00-00-00-00-01/70-b3-d5-67-70-11-00-01/downlink"
    site.ask(topic, {"userData": [[1, 2, 3]], "cntDepend": False, "queId": 9, "ref": "d"})
    assert site.statuses() == ["received", "done"]
    queued: list[list[Downlink]] = []
    site.house.center.downlinks.of(EUI(ONE)).addCallback(queued.append)
    site.house.settle()
    assert [each.request.data for each in queued[0]] == [(b"\x01\x02\x03",)]
    site.ask(topic, {"cnt": "x"})
    assert site.answers()[-1].status == "failed"


def test_the_same_downlink_with_the_same_ref_is_queued_once(site: Site) -> None:
    request = {"data": [1], "ref": "once"}
    site.ask(f"mioty/ep/{ONE}/dl", request)
    site.house.crash()
    site.start()
    site.ask(f"mioty/ep/{ONE}/dl", request)
    assert site.answers()[-1].result == {"queId": 1, "state": "queued", "repeated": True}
    site.ask(f"mioty/ep/{ONE}/dl", request | {"data": [2]})
    assert site.answers()[-1].result["queId"] == 2
    site.ask(f"mioty/ep/{ONE}/dl", {"data": [1]})
    assert site.answers()[-1].result["queId"] == 3
    site.house.advance(requests_module.REPEATED, step=10.0)
    site.ask(f"mioty/ep/{ONE}/dl", request)
    assert site.answers()[-1].result["queId"] == 4


async def never(*_: object) -> None:
    """Hang until the crash."""
    await Deferred()


def test_a_downlink_that_was_queued_before_a_crash_is_not_queued_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.intake, "answer", never)
    site.ask(f"mioty/ep/{ONE}/dl", {"data": [1]}, expires_in=1)
    site.house.advance(2)
    site.house.crash()
    site.start()
    assert site.statuses() == ["received", "done"]
    assert site.answers()[-1].result == {"queId": 1, "state": "queued"}
    site.ask(f"mioty/ep/{ONE}/dl", {"data": [1]})
    assert site.answers()[-1].result["queId"] == 2


def test_many_equal_downlinks_are_queued_once_each_over_a_crash(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.ask(f"mioty/ep/{ONE}/dl", {"data": [1]})
    monkeypatch.setattr(site.requests._center, "queue_downlink", never)
    for _ in range(101):
        site.ask(f"mioty/ep/{ONE}/dl", {"data": [1]}, settle=False)
    site.house.settle()
    site.house.crash()
    site.start()
    queued = [answer.result["queId"] for answer in site.answers() if answer.status == "done"]
    assert queued == list(range(1, 103))


def test_a_damaged_note_of_what_was_done_costs_its_details_only(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.intake, "answer", never)
    monkeypatch.setattr("bssci.sinks.mqtt.requests._encode", lambda note: b"\xff")
    site.ask(f"mioty/ep/{ONE}/dl", {"data": [1]})
    monkeypatch.undo()
    site.house.crash()
    site.start()
    assert (site.answers()[-1].status, site.answers()[-1].result) == ("done", {})
    assert site.house.center.downlinks.queued == 1


CMD, DL = "cmd", "dl"


BAD: list[tuple[str, str, Any, str, str | None]] = [
    (ONE, CMD, "fly", "unknown_command", "command"),
    (ONE, CMD, "", "unknown_command", "command"),
    (ONE, CMD, b"\xff\xfe", "unknown_command", "command"),
    (ONE, CMD, {"command": 5}, "unknown_command", "command"),
    (ONE, CMD, b"\xff", "unknown_command", "command"),
    (ONE, CMD, b'{"command": "\xff"}', "malformed", "payload"),
    (ONE, DL, b'{"data": [1], "ref": "\xe9"}', "malformed", "payload"),
    (ONE, CMD, "{bad", "malformed", "payload"),
    (ONE, CMD, '"half', "malformed", "payload"),
    (ONE, CMD, '{"command": "attach", "ref": "\\ud800"}', "malformed", "payload"),
    (ONE, CMD, {"command": "attach", "ref": [1]}, "invalid", "ref"),
    (ONE, CMD, {"command": "attach", "ref": 10**30}, "invalid", "ref"),
    (ONE, CMD, {"command": "attach", "ref": "x" * 201}, "invalid", "ref"),
    (ONE, CMD, {"command": "attach", "ref": True}, "invalid", "ref"),
    (ONE, CMD, "x" * (64 * 1024 + 1), "too_large", "payload"),
    (NOBODY, CMD, "attach", "unknown_sensor", "eui"),
    (NOBODY, CMD, "detach", "unknown_sensor", "eui"),
    (NOBODY, CMD, "status", "unknown_sensor", "eui"),
    (NOBODY, CMD, "reception", "unknown_sensor", "eui"),
    (ONE, CMD, "reception", "unavailable", None),
    (NOBODY, DL, {"data": [1]}, "unknown_sensor", "eui"),
    (TWO, DL, {"data": [1]}, "not_bidirectional", "eui"),
    (ONE, DL, "[" * 100_000, "too_large", "payload"),
    (ONE, DL, "[" * 60_000, "malformed", "payload"),
    (ONE, DL, "[]", "malformed", "payload"),
    (ONE, DL, '{"data": [1], "prio": NaN}', "malformed", "payload"),
    (ONE, DL, {}, "invalid", "data"),
    (ONE, DL, {"data": [1] * 201}, "invalid", "data"),
    (ONE, DL, {"data": [256]}, "invalid", "data"),
    (ONE, DL, {"data": ["1"]}, "invalid", "data"),
    (ONE, DL, {"data": "xyz"}, "invalid", "data"),
    (ONE, DL, {"data": {"base64": "*"}}, "invalid", "data"),
    (ONE, DL, {"data": [[1]], "cnt": [5, 6]}, "invalid", "data"),
    (ONE, DL, {"data": [[1]], "cnt": ["5"]}, "invalid", "cnt"),
    (ONE, DL, {"data": [[1]], "cnt": [-1]}, "invalid", "cnt"),
    (ONE, DL, {"data": [1], "prio": "5"}, "invalid", "prio"),
    (ONE, DL, {"data": [1], "prio": 1e39}, "invalid", "prio"),
    (ONE, DL, {"data": [1], "expires_in": -5}, "invalid", "expires_in"),
    (ONE, DL, {"data": [1], "expires_in": "5"}, "invalid", "expires_in"),
    (ONE, DL, {"data": [1], "format": 256}, "invalid", "format"),
    (ONE, DL, {"data": [1], "responseExp": 1}, "invalid", "responseExp"),
    (ONE, DL, {"data": [1], "priority": 1}, "invalid", "priority"),
    (ONE, DL, {"revoke": "1"}, "invalid", "revoke"),
    (ONE, DL, {"revoke": 1}, "unknown_downlink", "revoke"),
    (ONE, DL, {"revoke": 1, "data": [1]}, "invalid", "data"),
    (ONE, DL, {"revoke": 1, "x" * 50: 1}, "invalid", "x" * 40),
    (NEW, "config", [], "malformed", "payload"),
    (NEW, "config", {"shortAddr": "0007"}, "invalid", "nwKey"),
    (NEW, "config", CONFIG | {"nwKey": KEY + "0"}, "invalid", "nwKey"),
    (NEW, "config", CONFIG | {"nwKey": "G" * 32}, "invalid", "nwKey"),
    (NEW, "config", CONFIG | {"shortAddr": 7}, "invalid", "shortAddr"),
    (NEW, "config", CONFIG | {"shortAddr": "007"}, "invalid", "shortAddr"),
    (NEW, "config", CONFIG | {"bidi": "true"}, "invalid", "bidi"),
    (NEW, "config", CONFIG | {"eui": ONE}, "invalid", "eui"),
    (NEW, "config", CONFIG | {"name": "x" * 201}, "invalid", "name"),
    (NEW, "config", CONFIG | {"tags": ["x"] * 51}, "invalid", "tags"),
    (NEW, "config", CONFIG | {"vendor": "x" * 16_384}, "invalid", "vendor"),
]


def test_bad_input_is_told_and_changes_nothing(site: Site) -> None:
    before = site.house.sensors_file.read_bytes()
    for eui, kind, payload, code, field in BAD:
        with case(kind, payload):
            site.ask(f"mioty/ep/{eui}/{kind}", payload)
            answer = site.answers(eui)[-1]
            assert answer.status == "failed" and answer.error is not None
            assert answer.error.code == code
            if field is not None:
                assert answer.error.field == field
            assert answer.error.message
            assert len(answer.command) <= 40
            assert KEY not in repr(answer)
            assert site.house.sensors_file.read_bytes() == before
            assert site.house.journal.kept().downlinks.last_queue_id == 0
    assert not site.line.take(AttPrp)


def test_a_misspelled_field_of_a_command_is_reported_as_missing(site: Site) -> None:
    site.ask(f"mioty/ep/{ONE}/cmd", {"comand": "attach"})
    error = site.answers()[-1].error
    assert error is not None
    assert error.message == "command is missing; the commands are attach, detach, status, reception"


@pytest.mark.parametrize("eui", ["XYZ", "70B3D567701400", ONE + "0", "", "x" * 1000])
def test_a_request_for_no_sensor_is_a_line_in_the_log(site: Site, eui: str) -> None:
    before = len(site.house.events)
    site.ask(f"mioty/ep/{eui}/cmd", "attach")
    assert len(site.house.events) == before
    assert site.intake.figures()["misaddressed"] == 1


@pytest.mark.parametrize("kind", ["cmd", "cmd/", "dl", "config", "register"])
def test_an_empty_message_makes_the_broker_forget_and_is_no_request(site: Site, kind: str) -> None:
    before = len(site.house.events)
    site.ask(f"mioty/ep/{ONE}/{kind}", b"")
    site.ask(f"EP/{ONE}/cmd/", b"")
    site.ask("mioty/config/set", b"")
    assert (len(site.house.events), site.settings) == (before, [])
    site.ask("mioty/config/get", b"")
    assert [answer["status"] for answer in site.settings] == ["done"]


def test_lines_about_requests_for_no_sensor_are_limited(site: Site, log_lines: list[str]) -> None:
    for number in range(3 * LINES):
        site.ask(f"mioty/ep/{number}/cmd", "attach")
    assert len([line for line in log_lines if "request for no sensor" in line]) == LINES


def test_a_retained_request_is_refused_once_and_never_done(site: Site) -> None:
    for _ in range(3):
        site.ask(f"mioty/ep/{ONE}/cmd", "detach", retained=True)
        site.ask("mioty/config/set", {"STATUS_INTERVAL": 5}, retained=True)
    received, failed = site.answers()
    assert (received.status, failed.status, failed.error.code) == ("received", "failed", "retained")
    assert [answer["error"]["code"] for answer in site.settings] == ["retained"]
    assert site.house.center.attachments.is_attached(ONE)
    assert site.house.center.registry.status_interval == 300


@pytest.mark.parametrize(
    ("payload", "ref"),
    [
        ({"command": "detach", "ref": "r"}, "r"),
        ({"command": "detach", "ref": [1]}, None),
        ("detach", None),
        ('"detach"', None),
        ("{", None),
        ("x" * 70_000, None),
    ],
)
def test_the_refusal_of_a_retained_request_has_its_reference(
    site: Site, payload: object, ref: object
) -> None:
    site.ask(f"mioty/ep/{ONE}/cmd", payload, retained=True)
    assert [(answer.status, answer.ref) for answer in site.answers()] == [("received", ref), ("failed", ref)]
    assert site.answers()[-1].error.code == "retained"
    site.ask("mioty/config/set", payload, retained=True)
    assert site.settings[0]["error"]["code"] == "retained" and site.settings[0].get("ref") == ref


def test_a_request_that_was_not_even_taken_in_is_answered(site: Site) -> None:
    for topic in (f"mioty/ep/{ONE}/config", "mioty/config/set", "mioty/ep/nobody/cmd", "mioty/ep"):
        site.requests.too_large(topic, 2_000_000, False)
    site.requests.too_large(f"mioty/ep/{TWO}/dl/", 2_000_000, True)
    site.house.settle()
    received, failed = site.answers()
    assert (received.command, received.status) == ("config", "received")
    assert (failed.status, failed.error.code, failed.error.field) == ("failed", "too_large", "payload")
    assert failed.error.message == "2000000 bytes; at most 65536 are allowed"
    assert [answer["error"]["code"] for answer in site.settings] == ["too_large"]
    assert site.answers(TWO)[-1].error.code == "retained"


def test_a_revocation_that_no_station_has_answered_says_so(site: Site) -> None:
    site.line.lose()
    site.house.crash()
    site.line = Line(site.house)
    site.line.connect()
    site.line.answer_everything()
    site.start()
    site.line.say(uplink(1, epEui=int(ONE, 16)))
    site.house.advance(3)
    site.ask(f"mioty/ep/{ONE}/dl", {"data": [1]})
    [queued] = site.line.take(DlDataQue)
    site.line.say(DlDataQueRsp(opId=queued.opId))
    site.ask(f"mioty/ep/{ONE}/dl", {"revoke": queued.queId, "ref": "r"})
    site.house.advance(11)
    assert site.line.take(DlDataRev)
    answer = site.answers()[-1]
    assert (answer.status, answer.ref) == ("done", "r")
    assert answer.result == {"queId": queued.queId, "state": "queued", "message": NOT_YET_REVOKED}


def test_requests_for_one_sensor_are_done_in_order_and_others_do_not_wait(site: Site) -> None:
    site.ask(f"mioty/ep/{NEW}/config", CONFIG | {"bidi": True, "ref": 1}, settle=False)
    site.ask(f"mioty/ep/{NEW}/cmd", {"command": "detach", "ref": 2}, settle=False)
    site.ask(f"mioty/ep/{NEW}/dl", {"data": [1], "ref": 3}, settle=False)
    site.ask(f"mioty/ep/{TWO}/cmd", "status")
    assert site.statuses(TWO) == ["received", "done"]
    assert site.statuses(NEW) == ["received"] * 3
    site.obey()
    ends = [(answer.ref, answer.status) for answer in site.answers(NEW) if answer.status != "received"]
    assert ends == [(1, "done"), (2, "done"), (3, "done")]
    assert not site.house.center.attachments.is_attached(NEW)


def test_a_station_that_refuses_and_one_that_is_away(site: Site) -> None:
    other = Line(site.house, 0xCAFE000000000002)
    other.connect()
    other.answer_everything()
    site.ask(f"mioty/ep/{ONE}/cmd", "attach")
    site.obey(code=22)
    for told in other.take(AttPrp):
        other.say(AttPrpRsp(opId=told.opId))
    site.house.settle()
    partly = site.answers()[-1]
    assert partly.error.code == "partially_failed"
    assert partly.result["base_stations"] == {
        "CAFE000000000001": {"state": "failed", "code": 22, "message": "no"},
        "CAFE000000000002": {"state": "done"},
    }
    other.lose()
    site.ask(f"mioty/ep/{ONE}/cmd", "attach")
    site.obey(code=22)
    failed = site.answers()[-1]
    assert failed.error.code == "failed"
    assert failed.result["base_stations"]["CAFE000000000002"] == {"state": "away"}


def test_a_station_that_does_not_answer_is_waited_for_30_s(site: Site) -> None:
    site.ask(f"mioty/ep/{ONE}/cmd", "attach")
    site.house.advance(29)
    assert site.statuses() == ["received"]
    site.house.advance(2)
    assert site.answers()[-1].result == {"base_stations": {"CAFE000000000001": {"state": "unanswered"}}}


@pytest.mark.parametrize("repeated", [False, True])
def test_a_disk_that_is_full_has_a_request_wait(site: Site, repeated: bool) -> None:
    site.house.journal.broken = True
    confirmed = site.ask(f"mioty/ep/{ONE}/cmd", "detach", packet_id=1, repeated=repeated)
    site.house.advance(RETRY)
    assert confirmed == [] and site.house.center.attachments.is_attached(ONE)
    site.house.journal.broken = False
    site.house.advance(RETRY)
    site.obey()
    assert confirmed == [None]
    assert site.statuses() == ["received", "done"]


def test_a_disk_that_is_full_at_the_end_has_the_answer_wait(site: Site) -> None:
    site.ask(f"mioty/ep/{ONE}/cmd", "status", settle=False)
    site.house.settle()
    site.ask(f"mioty/ep/{ONE}/cmd", "detach", settle=False)
    site.house.journal.commit()
    site.house.journal.broken = True
    site.house.settle()
    site.house.journal.broken = False
    site.house.advance(RETRY)
    site.obey()
    site.house.advance(RETRY)
    answers = site.answers()
    assert [answer.command for answer in answers if answer.status != "received"] == ["status", "detach"]
    assert site.unanswered() == []


def test_a_fault_of_ours_is_told_and_costs_that_request_only(
    site: Site, monkeypatch: pytest.MonkeyPatch, expected_errors: list[Failure]
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Access, "sensor_report", lambda *_: 1 / 0)
        broken.setattr(Access, "changeable_settings", lambda *_: 1 / 0)
        site.ask(f"mioty/ep/{ONE}/cmd", "status", settle=False)
        site.ask("mioty/config/get", "")
    assert [failure.type for failure in expected_errors] == [ZeroDivisionError] * 2
    expected_errors.clear()
    site.ask(f"mioty/ep/{ONE}/cmd", "status", settle=False)
    site.ask("mioty/config/get", "")
    failed, done = (answer for answer in site.answers() if answer.status != "received")
    assert failed.error is not None and failed.error.code == "internal" and done.status == "done"
    assert [answer["status"] for answer in site.settings] == ["failed", "done"]
    assert site.settings[0]["error"]["code"] == "internal"


@pytest.mark.parametrize(("bound", "value"), [("MAX_RUNNING", 1), ("MAX_BYTES", 6)])
def test_requests_under_way_are_bounded_in_number_and_in_bytes(
    site: Site, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    monkeypatch.setattr(f"bssci.sinks.mqtt.intake.{bound}", value)
    site.ask(f"mioty/ep/{ONE}/cmd", "attach")
    site.ask(f"mioty/ep/{TWO}/cmd", "attach")
    assert site.answers(TWO)[-1].error.code == "busy"
    site.obey()
    site.ask(f"mioty/ep/{TWO}/cmd", "status")
    assert site.answers(TWO)[-1].status == "done"


def test_a_request_too_many_is_answered_though_the_disk_is_full(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bssci.sinks.mqtt.intake.MAX_RUNNING", 1)
    site.house.journal.full = True
    site.ask(f"mioty/ep/{ONE}/cmd", "status", packet_id=1)
    acknowledged = [site.ask(f"mioty/ep/{TWO}/cmd", {"command": "status", "ref": ref}) for ref in "ab"]
    site.requests.too_large(f"mioty/ep/{TWO}/cmd", 1 << 20, False)
    site.house.settle()
    assert acknowledged == [[], []]
    assert site.intake.figures()["failing"]
    site.house.journal.full = False
    site.house.advance(RETRY + 1)
    assert acknowledged == [[None], [None]]
    answers = [
        (answer.ref, answer.status, answer.error and answer.error.code) for answer in site.answers(TWO)
    ]
    assert answers == [
        ("a", "received", None),
        ("a", "failed", "busy"),
        ("b", "received", None),
        ("b", "failed", "busy"),
        (None, "received", None),
        (None, "failed", "too_large"),
    ]
    assert site.statuses() == ["received", "done"]


def test_a_refused_request_is_not_acknowledged_by_a_stop_before_its_answer_is_on_disk(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bssci.sinks.mqtt.intake.MAX_BYTES", 0)
    site.house.journal.full = True
    acknowledged = site.ask(f"mioty/ep/{ONE}/cmd", "status", packet_id=1)
    site.requests.too_large(f"mioty/ep/{ONE}/cmd", 1 << 20, False)
    site.intake.stop()
    assert [failure.type for failure in acknowledged if isinstance(failure, Failure)] == [Stopped]


def test_refusals_that_wait_for_a_full_disk_are_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bssci.sinks.mqtt.intake.MAX_BYTES", 0)
    monkeypatch.setattr("bssci.sinks.mqtt.intake.MAX_REFUSING", 2)
    site.house.journal.full = True
    asked = [site.ask(f"mioty/ep/{ONE}/cmd", "status", packet_id=number) for number in range(1, 5)]
    assert asked == [[], [], [None], [None]]
    site.house.journal.full = False
    site.house.advance(RETRY + 1)
    assert site.statuses() == ["received", "failed"] * 2


# Where the answer is wanted, and for how long a request is good (MQTT 5)

BACK = ReplyTo("client/7/answers", b"\x00\x07")


def test_the_answer_says_where_else_it_is_wanted(site: Site) -> None:
    site.ask(f"mioty/ep/{ONE}/cmd", "status", reply=BACK)
    answers = site.answers()
    assert [answer.status for answer in answers] == ["received", "done"]
    assert {(answer.reply_to, answer.correlation) for answer in answers} == {(BACK.topic, BACK.correlation)}


@pytest.mark.parametrize(
    ("topic", "reply", "place"),
    [
        (f"EP/{ONE}/cmd/", None, f"mioty/EP/{ONE}/response"),
        (f"mioty/EP/{ONE}/cmd", None, f"mioty/EP/{ONE}/response"),
        (f"EP/{ONE.lower()}/cmd", BACK, BACK.topic),
        (f"mioty/ep/{ONE}/cmd", None, ""),
    ],
)
def test_a_command_of_an_older_installation_is_answered_where_that_looks(
    site: Site, topic: str, reply: ReplyTo | None, place: str
) -> None:
    site.ask(topic, "status", reply=reply)
    assert {answer.reply_to for answer in site.answers()} == {place}


def test_the_answer_about_settings_does_so_too(site: Site) -> None:
    site.ask("mioty/config/get", "", reply=BACK)
    assert site.replies == [BACK]


@pytest.mark.parametrize("topic", ["a/+/b", "$SYS/x", f"mioty/ep/{TWO}/cmd", "x" * 2000, "a\0b"])
def test_a_response_topic_that_cannot_be_is_refused_and_not_used(site: Site, topic: str) -> None:
    site.ask(f"mioty/ep/{ONE}/cmd", "status", reply=ReplyTo(topic))
    last = site.answers()[-1]
    assert last.error is not None
    assert (last.error.code, last.error.field, last.reply_to) == ("invalid", "response topic", "")


def test_a_request_that_is_out_of_date_is_not_done(site: Site) -> None:
    site.ask(f"mioty/ep/{ONE}/cmd", "detach", expires_in=0)
    last = site.answers()[-1]
    assert last.error is not None and last.error.code == "expired"


def test_a_downlink_is_good_for_as_long_as_its_message(site: Site) -> None:
    site.ask(f"mioty/ep/{ONE}/dl", {"data": [1]}, expires_in=60)
    site.ask(f"mioty/ep/{ONE}/dl", {"data": [2], "expires_in": 5}, expires_in=60)
    downlinks: list[Downlink] = []
    site.house.center.downlinks.of(ONE).addCallback(downlinks.extend)
    site.house.settle()
    assert sorted(each.request.expires_in or 0 for each in downlinks) == [5, 60]


def test_both_are_known_after_a_crash(site: Site) -> None:
    site.line.connect()
    site.ask(f"mioty/ep/{ONE}/cmd", "attach", reply=BACK, expires_in=60)
    site.house.crash()
    site.start()
    site.house.clock.advance(31)
    site.house.settle()
    last = site.answers()[-1]
    assert last.status != "received" and (last.reply_to, last.correlation) == (BACK.topic, BACK.correlation)


def test_a_downlink_as_an_application_center_is_asked_for_it(site: Site) -> None:
    dashed = "70-b3-d5-67-70-11-00-01"
    site.ask(f"mioty/02-00-00-00-00-00-00-01/{dashed}/downlink", {"data": [1, 2], "ref": "valve"})
    assert ONE == "70B3D56770110001"
    assert [(each.status, each.command, each.ref) for each in site.answers()] == [
        ("received", "downlink", "valve"),
        ("done", "downlink", "valve"),
    ]


def test_requests_for_settings_are_carried_out_in_their_order(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: list[tuple[dict[str, Any], Deferred[frozenset[str]]]] = []

    async def change(_: Access, values: dict[str, Any]) -> frozenset[str]:
        changes.append((values, Deferred()))
        return await changes[-1][1]

    monkeypatch.setattr(Access, "change_settings", change)
    site.ask("mioty/config/set", {"STATUS_INTERVAL": 60, "ref": 1})
    site.ask("mioty/config/set", {"STATUS_INTERVAL": None, "ref": 2})
    site.ask("mioty/config/get", {"ref": 3})
    for number, value in ((1, 60), (2, None)):
        assert [values for values, _ in changes][number - 1 :] == [{"STATUS_INTERVAL": value}]
        changes[-1][1].callback(frozenset())
        site.house.settle()
    assert [answer["ref"] for answer in site.settings] == [1, 2, 3]
