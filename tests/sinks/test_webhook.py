"""Batches to a receiver in memory: what is sent, what its answers do, and what is never told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from bssci import extensions
from bssci.extensions import SINK
from bssci.settings.rows import SettingsError
from bssci.sinks.http_post import Poster, parse_target
from bssci.sinks.testing import SinkBench, SinkConformance, every_event, reception, uplink, uplinks
from bssci.sinks.webhook import (
    LATE,
    TRIAL_TIME,
    WebhookSettings,
    WebhookSink,
    parse_header,
    parse_secret,
    sign,
)
from tests.sinks.http_receiver import Receiver, Request, Response
from tests.support.settings import INSTALLED, settings_of

URL = "https://user:Pa55word@hooks.example:8443/in/T0KENT0KEN?key=K3YK3YK3Y"
NOW = 1_700_000_000.75


def refusing(*ids: str, status: int = 422) -> Callable[[Request], Response]:
    """A receiver that refuses every request with one of these uplinks in it."""

    def answer(request: Request) -> Response:
        wrong = set(ids) & set(request.ids)
        return Response(status, body=b"what is that?") if wrong else Response(204, body=b"")

    return answer


class Fixture:
    """A sink, its receiver, and the time."""

    def __init__(self, receiver: Receiver | None = None, url: str = URL, **settings: Any) -> None:
        self.clock = Clock()
        self.receiver = receiver or Receiver()
        poster = Poster(self.clock, self.receiver, parse_target(url), 30.0)
        self.sink = WebhookSink(
            self.clock,
            poster,
            WebhookSettings(**settings),
            now=lambda: NOW + self.clock.seconds(),
            jitter=lambda: 0.5,
        )
        self.sink.start()

    def deliver(self, events: list[Any]) -> list[Any]:
        outcome: list[Any] = []
        self.sink.deliver(events).addBoth(outcome.append)
        return outcome

    def fails(self, events: list[Any]) -> str:
        """The text that a delivery fails with."""
        [failure] = self.deliver(events)
        assert failure is not None
        assert self.sink.trouble == failure.getErrorMessage()
        return str(failure.getErrorMessage())

    def fails_later(self, events: list[Any]) -> str:
        """As :meth:`fails`, after the wait before a repetition."""
        outcome = self.deliver(events)
        self.clock.advance(60)
        return str(outcome[0].getErrorMessage())

    @property
    def sent(self) -> list[list[str]]:
        """Ids of uplinks, a list for each request."""
        return [request.ids for request in self.receiver.requests]


class WebhookBench(SinkBench):
    secrets = ("Pa55word", "T0KENT0KEN", "K3YK3YK3Y", "s3cret")

    def __init__(self) -> None:
        self._receiver = Receiver(refusing("uplink-7777"))
        self.clock = Clock()

    def make_sink(self) -> WebhookSink:
        poster = Poster(self.clock, self._receiver, parse_target(URL), 30.0)
        return WebhookSink(self.clock, poster, WebhookSettings(secret=b"s3cret"))

    def received(self) -> list[str]:
        return self._receiver.taken

    def break_other_side(self) -> None:
        self._receiver.away = True

    def mend_other_side(self) -> None:
        self._receiver.away = False

    def refused_event(self) -> Any:
        return uplink(7777)

    def turn(self) -> None:
        self.clock.advance(0.25)


class TestWebhook(SinkConformance):
    @pytest.fixture
    def bench(self) -> SinkBench:
        return WebhookBench()


class TestSilentWebhook(SinkConformance):
    """The other side takes requests and does not answer."""

    @pytest.fixture
    def bench(self) -> SinkBench:
        class Bench(WebhookBench):
            def break_other_side(self) -> None:
                self._receiver.silent = True

            def mend_other_side(self) -> None:
                self._receiver.silent = False

        return Bench()


def test_a_request_is_signed_and_named() -> None:
    it = Fixture(secret=parse_secret("whsec_" + base64.b64encode(b"k" * 24).decode()))
    assert it.deliver(uplinks(2)) == [None]
    [request] = it.receiver.requests
    assert request.uri == b"https://hooks.example:8443/in/T0KENT0KEN?key=K3YK3YK3Y"
    said = json.loads(request.body)
    assert list(said) == ["events"]
    assert [(event["kind"], event["cnt"], event["data"]) for event in said["events"]] == [
        ("uplink", 1, [1, 255]),
        ("uplink", 2, [1, 255]),
    ]
    headers = request.headers
    assert headers["content-type"] == "application/json"
    assert headers["authorization"] == "Basic " + base64.b64encode(b"user:Pa55word").decode()
    assert headers["user-agent"].startswith("bssci/")
    assert headers["webhook-timestamp"] == "1700000000"
    assert headers["idempotency-key"] == headers["webhook-id"]
    assert re.fullmatch(r"msg_[0-9a-f]{32}", headers["webhook-id"])
    signed = b".".join([headers["webhook-id"].encode(), b"1700000000", request.body])
    digest = base64.b64encode(hmac.new(b"k" * 24, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{digest}"


def test_the_signature_of_the_specification_of_standard_webhooks() -> None:
    key = parse_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    assert sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body) == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_without_secret_and_credentials_there_are_no_such_headers() -> None:
    it = Fixture(url="http://localhost/")
    it.deliver(uplinks(1))
    assert not {"authorization", "webhook-signature"} & set(it.receiver.requests[0].headers)


def test_a_header_of_ones_own_goes_before_the_urls_user() -> None:
    it = Fixture(authorization="Bearer abc")
    it.deliver(uplinks(1))
    assert it.receiver.requests[0].headers["authorization"] == "Bearer abc"


def test_batches_are_cut_by_number_and_by_size() -> None:
    it = Fixture(batch_size=4)
    it.deliver(uplinks(9))
    assert [len(ids) for ids in it.sent] == [4, 4, 1]
    it = Fixture(batch_size=100)
    events = [uplink(number, payload=bytes(70_000)) for number in range(5)]
    it.deliver([*uplinks(3), *events])
    assert [len(ids) for ids in it.sent] == [6, 2]
    assert all(len(request.body) < 1_000_100 for request in it.receiver.requests)


def test_only_the_kinds_that_are_asked_for() -> None:
    it = Fixture(kinds=frozenset({"sensor-warning"}))
    assert it.deliver(every_event()) == [None]
    [request] = it.receiver.requests
    assert [event["kind"] for event in json.loads(request.body)["events"]] == ["sensor-warning"]
    assert it.deliver(uplinks(3)) == [None]
    assert len(it.receiver.requests) == 1


def test_a_repetition_is_the_same_request_and_what_came_since_is_another() -> None:
    it = Fixture(Receiver(refusing("uplink-3", status=503)), batch_size=2)
    it.fails(uplinks(3))
    assert it.sent == [["uplink-1", "uplink-2"], ["uplink-3"]]
    it.receiver.answer = lambda request: Response()
    outcome = it.deliver(uplinks(5))
    it.clock.advance(1.0)
    assert outcome == [None]
    assert it.sent[2:] == [["uplink-3"], ["uplink-4", "uplink-5"]]
    failed, repeated = it.receiver.requests[1:3]
    assert repeated.body == failed.body
    assert repeated.headers["webhook-id"] == failed.headers["webhook-id"]
    assert it.sink.trouble == ""
    it.deliver(uplinks(1))
    assert it.sent[4:] == [["uplink-1"]]


def test_the_name_of_a_request_is_the_same_after_a_restart() -> None:
    first, second = Fixture(), Fixture()
    first.deliver(uplinks(3))
    second.clock.advance(100)
    second.deliver(uplinks(3))
    ids = {it.receiver.requests[0].headers["webhook-id"] for it in (first, second)}
    assert len(ids) == 1


def test_a_batch_that_reads_otherwise_by_now_is_sent_whole() -> None:
    it = Fixture(Receiver(refusing("uplink-2", status=500)), batch_size=1)
    it.fails(uplinks(2))
    it.receiver.answer = lambda request: Response()
    changed = [uplink(1, known=False), uplink(2, known=False)]
    outcome = it.deliver(changed)
    it.clock.advance(1.0)
    assert outcome == [None]
    assert it.sent[2:] == [["uplink-1"], ["uplink-2"]]


def test_one_refused_event_costs_itself() -> None:
    it = Fixture(Receiver(refusing("uplink-6")), batch_size=8)
    assert it.deliver(uplinks(16)) == [None]
    assert it.receiver.taken == [f"uplink-{number}" for number in range(1, 17) if number != 6]
    assert (it.sink.set_aside.count, it.sink.trouble) == (1, "")
    assert it.sink.set_aside.last_reason == "HTTP 422 what is that?"
    assert len(it.sent) == 8


def test_what_is_set_aside_stays_so_when_the_rest_fails() -> None:
    it = Fixture(Receiver(refusing("uplink-1", status=400)), batch_size=1)
    refuse = it.receiver.answer
    it.receiver.answer = lambda request: Response(500) if "uplink-2" in request.ids else refuse(request)
    it.fails(uplinks(2))
    it.receiver.answer = refuse
    outcome = it.deliver(uplinks(2))
    it.clock.advance(1.0)
    assert outcome == [None]
    assert it.sent == [["uplink-1"], ["uplink-2"], ["uplink-2"]]
    assert it.sink.set_aside.count == 1


def test_a_receiver_that_refuses_everything_is_at_fault_itself() -> None:
    it = Fixture(Receiver(lambda request: Response(400, body=b"no")))
    for _ in range(2):
        outcome = it.deliver(uplinks(11))
        it.clock.advance(60)
        assert outcome[0].getErrorMessage() == it.sink.trouble
        assert it.sink.trouble == "https://hooks.example:8443 refuses every event: HTTP 400 no"
    assert it.sink.set_aside.count == 0
    it.receiver.answer = refusing("uplink-3")
    outcome = it.deliver(uplinks(12))
    it.clock.advance(60)
    assert outcome == [None] and len(it.receiver.taken) == 11
    assert (it.sink.set_aside.count, it.sink.set_aside.last_reason) == (1, "HTTP 422 what is that?")


def test_what_is_refused_until_the_middle_of_a_batch_comes_again() -> None:
    it = Fixture(batch_size=12)
    refused: list[Request] = []

    def answer(request: Request) -> Response:
        if sum(len(each.ids) == 1 for each in refused) == 12:
            return Response(204)
        refused.append(request)
        return Response(400, body=b"no")

    it.receiver.answer = answer
    assert "refuses many events in a row: HTTP 400 no" in it.fails(uplinks(24))
    it.deliver(uplinks(24))
    it.clock.advance(60)
    assert it.sink.set_aside.count == 0
    assert it.receiver.taken[-24:] == [each.id for each in uplinks(24)]


def test_what_is_refused_from_the_middle_of_a_batch_on_comes_again() -> None:
    it = Fixture(Receiver(refusing(*(f"uplink-{number}" for number in range(13, 99)))), batch_size=12)
    it.fails(uplinks(24))
    it.receiver.answer = lambda request: Response(400)
    assert "refuses every event" in it.fails_later(uplinks(24))
    it.receiver.answer = lambda request: Response(204)
    it.deliver(uplinks(24))
    it.clock.advance(60)
    assert it.sink.set_aside.count == 0
    assert it.receiver.taken[-24:] == [each.id for each in uplinks(24)]


def test_what_is_refused_again_beside_what_is_taken_is_set_aside() -> None:
    it = Fixture(Receiver(refusing(*(f"uplink-{number}" for number in range(1, 12)))))
    it.fails(uplinks(24))
    outcome = it.deliver(uplinks(24))
    it.clock.advance(60)
    assert outcome == [None]
    assert it.sink.set_aside.count == 11


def test_who_refuses_one_event_after_the_other_is_at_fault_at_last() -> None:
    it = Fixture(Receiver(lambda request: Response(400, body=b"no")))
    for number in range(10):
        assert it.deliver([uplink(number)]) == [None]
    assert "refuses every event" in it.fails([uplink(10)])
    assert it.sink.set_aside.count == 10


def test_what_a_receiver_repeats_of_secrets_is_not_told() -> None:
    echo = b"no: Basic dXNlcjpQYTU1d29yZA== user:Pa55word\n/in/T0KENT0KEN?key=K3YK3YK3Y " + b"x" * 5000
    it = Fixture(Receiver(lambda request: Response(400, body=echo)))
    it.deliver(uplinks(1))
    reason = it.sink.set_aside.last_reason
    assert reason.startswith("HTTP 400 no: *** ***:*** /in/***?key=*** xxx") and len(reason) <= 300


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (500, "answers HTTP 500"),
        (503, "answers HTTP 503"),
        (429, "answers HTTP 429: it gets too many requests"),
        (408, "answers HTTP 408"),
        (425, "answers HTTP 425"),
        (401, "answers HTTP 401: it requires other credentials"),
        (403, "answers HTTP 403: it refuses the credentials"),
        (404, "answers HTTP 404: there is nothing at that path"),
        (301, "redirects elsewhere (HTTP 301): set WEBHOOK_URL to the new place"),
    ],
)
def test_what_concerns_the_receiver_loses_nothing(status: int, said: str) -> None:
    location = {"location": "https://elsewhere.example/"}
    it = Fixture(Receiver(lambda request: Response(status, location)))
    assert it.fails(uplinks(4)) == f"https://hooks.example:8443 {said}"
    assert len(it.sent) == 1 and it.sink.set_aside.count == 0
    it.receiver.answer = lambda request: Response()
    outcome = it.deliver(uplinks(4))
    it.clock.advance(1.0)
    assert (outcome, it.sent, it.sink.trouble) == ([None], [[f"uplink-{n}" for n in (1, 2, 3, 4)]] * 2, "")


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", 120),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 59.25),
        ("99999999", 3600),
        ("Tue, 14 Nov 2000 22:14:20 GMT", 0),
        ("-5", 0),
        ("soon", 0),
        ("", 0),
    ],
)
def test_it_waits_as_long_as_it_is_asked_to(header: str, wait: float) -> None:
    it = Fixture(Receiver(lambda request: Response(503, {"Retry-After": header})))
    said = it.fails(uplinks(1))
    assert said.endswith(f", asks to wait {wait:.0f} s" if wait else "HTTP 503")
    it.clock.advance(1.0)  # the service's own wait
    outcome = it.deliver(uplinks(1))
    it.clock.advance(max(0.0, wait - 1.0) + 0.4)
    assert (outcome, len(it.sent)) == ([], 1)
    it.receiver.answer = lambda request: Response()
    it.clock.advance(0.1)
    assert (outcome, len(it.sent)) == ([None], 2)


def test_repetitions_are_spread_more_and_more() -> None:
    it = Fixture(Receiver(lambda request: Response(500)))
    waits = []
    for number in range(1, 8):
        outcome = it.deliver(uplinks(1))
        waited = 0.0
        while not outcome:
            it.clock.advance(0.25)
            waited += 0.25
        waits.append(waited)
        assert len(it.sent) == number
    assert waits == [0, 0.5, 1, 2, 4, 7.5, 7.5]


def test_who_is_gone_is_not_asked_again() -> None:
    it = Fixture(Receiver(lambda request: Response(410)))
    outcome = it.deliver(uplinks(3))
    it.clock.advance(100_000)
    assert (outcome, len(it.sent), it.sink.set_aside.count) == ([], 1, 0)
    assert "gone for good (HTTP 410)" in it.sink.trouble and "restart" in it.sink.trouble
    stopped: list[Any] = []
    it.sink.stop().addBoth(stopped.append)
    assert stopped == [None]
    assert "the service stops" in outcome[0].getErrorMessage()
    assert not it.clock.getDelayedCalls()


def test_who_does_not_answer_is_named_before_that() -> None:
    it = Fixture()
    it.receiver.silent = True
    it.deliver(uplinks(1))
    it.clock.advance(5)
    assert it.sink.trouble == ""
    it.clock.advance(1)
    assert it.sink.trouble == "https://hooks.example:8443 has not answered for 6 s"
    it.clock.advance(24)
    assert it.sink.trouble == "https://hooks.example:8443: no answer within 30 s"


def test_who_does_not_answer_is_given_up() -> None:
    it = Fixture()
    it.receiver.silent = True
    outcome = it.deliver(uplinks(1))
    it.clock.advance(29.9)
    assert not outcome
    it.clock.advance(0.1)
    assert outcome[0].getErrorMessage() == "https://hooks.example:8443: no answer within 30 s"


def test_who_answers_too_late_gets_fewer_events_at_once_and_more_when_it_is_quick_again() -> None:
    it = Fixture(batch_size=40)
    it.receiver.silent = True
    events = uplinks(80)
    for _ in range(LATE):
        outcome = it.deliver(events)
        it.clock.advance(20)
        it.clock.advance(30)
        assert "no answer within 30 s" in outcome[0].getErrorMessage()
    assert [len(ids) for ids in it.sent] == [40] * LATE
    it.receiver.silent = False
    it.deliver(events)
    it.clock.advance(20)
    assert [len(ids) for ids in it.sent[LATE:]] == [20] * 4
    it.deliver(uplinks(160)[80:])
    assert [len(ids) for ids in it.sent[LATE + 4 :]] == [40, 40]


def test_a_stop_gives_a_request_under_way_a_moment() -> None:
    for answers in (True, False):
        it = Fixture()
        it.receiver.silent = True
        outcome = it.deliver(uplinks(1))
        stopped: list[Any] = []
        it.sink.stop().addBoth(stopped.append)
        it.clock.advance(0.9)
        assert not stopped
        if answers:
            it.receiver.unanswered[0].callback(Response())
        else:
            it.clock.advance(0.1)
        assert stopped == [None]
        assert (outcome == [None]) is answers
        assert not it.clock.getDelayedCalls()


def test_a_stop_ends_a_wait_at_once() -> None:
    it = Fixture(Receiver(lambda request: Response(503, {"Retry-After": "60"})))
    it.fails(uplinks(1))
    outcome = it.deliver(uplinks(1))
    stopped: list[Any] = []
    it.sink.stop().addBoth(stopped.append)
    assert stopped == [None]
    assert "the service stops" in outcome[0].getErrorMessage()
    assert not it.clock.getDelayedCalls()


def test_what_cannot_be_written_is_set_aside() -> None:
    it = Fixture()
    odd = uplink(9, receptions=[reception(9, profile="half a character \ud800")])
    assert it.deliver([uplink(1), odd, uplink(2)]) == [None]
    assert it.sent == [["uplink-1", "uplink-2"]]
    assert "cannot be written as JSON" in it.sink.set_aside.last_reason


def build(**texts: str) -> Any:
    return extensions.build(SINK, INSTALLED.sinks["webhook"], settings_of(environ=texts), None)


def test_it_is_found_and_built() -> None:
    sink = build(WEBHOOK_URL=URL, WEBHOOK_SECRET="s3cret", WEBHOOK_AUTHORIZATION="Bearer T")
    assert isinstance(sink, WebhookSink)
    assert verifyObject(extensions.ISink, sink)
    shown = repr((sink, sink._settings, sink._poster.target))
    assert not [secret for secret in WebhookBench.secrets if secret in shown]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({}, "WEBHOOK_URL is empty"),
        ({"WEBHOOK_URL": "ftp://x/s3cret"}, "WEBHOOK_URL=.* must be a URL .*; may be empty"),
        ({"WEBHOOK_SECRET": "whsec_s3cret!"}, "WEBHOOK_SECRET=.* must be whsec_ "),
        (
            {"WEBHOOK_AUTHORIZATION": "Bearer s3cret\u00e9"},
            "WEBHOOK_AUTHORIZATION=.* must be one line of ASCII",
        ),
        ({"WEBHOOK_BATCH_SIZE": "0"}, "WEBHOOK_BATCH_SIZE=.* must be a whole number from 1 to 500"),
        ({"WEBHOOK_TIMEOUT": "soon"}, "WEBHOOK_TIMEOUT=.* must be a number from 1 to 600"),
        ({"WEBHOOK_URL": "http://x/", "WEBHOOK_CA_FILE": "/none.pem"}, "WEBHOOK_CA_FILE"),
    ],
)
def test_a_wrong_setting_is_named_and_not_told(texts: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        build(**texts)
    assert "s3cret" not in str(refused.value)


def test_a_header_is_one_line() -> None:
    assert parse_header(" Bearer a ") == "Bearer a"
    with pytest.raises(ValueError):
        parse_header("a\r\nb")


def test_what_the_documentation_says_about_signatures_is_true(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "sinks.md").read_text(encoding="utf-8")
    [code] = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    monkeypatch.setattr(names["time"], "time", lambda: NOW)
    for secret in ("s3cret", "whsec_" + base64.b64encode(b"k" * 24).decode()):
        it = Fixture(secret=parse_secret(secret))
        it.deliver(uplinks(1))
        [request] = it.receiver.requests
        assert names["verify"](secret, request.headers, request.body)
        assert not names["verify"](secret, request.headers, request.body + b" ")
        assert not names["verify"]("other", request.headers, request.body)
        old = request.headers | {"webhook-timestamp": "1600000000"}
        assert not names["verify"](secret, old, request.body)


def test_the_documentation_names_every_setting_with_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sinks.md").read_text(encoding="utf-8")
    for sink in ("webhook", "file"):
        for setting in extensions.discover().sinks[sink].settings:
            default = f"`{setting.default}`" if setting.default else "empty"
            assert f"| `{setting.name}` | {default} |" in page


@pytest.mark.parametrize(
    ("fault", "level", "said"),
    [
        (None, "ok", "https://example.org is there; nothing was posted"),
        (
            ConnectionRefusedError(111, "Connection refused"),
            "error",
            "https://example.org: connection refused",
        ),
    ],
)
def test_a_trial_reaches_the_receiver_and_tells_no_secret(
    monkeypatch: pytest.MonkeyPatch, fault: OSError | None, level: str, said: str
) -> None:
    reached = Mock(side_effect=fault)
    monkeypatch.setattr("bssci.sinks.webhook.reach", reached)
    chosen = settings_of(environ={"WEBHOOK_URL": "https://me:hunter2@example.org/t0ken"})
    found = list(extensions.check(SINK, INSTALLED.sinks["webhook"], chosen))
    assert found == [(level, f"webhook: {said}")]
    reached.assert_called_once_with("https://example.org", TRIAL_TIME, None)
