"""Alarms posted to a receiver in memory."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from bssci.center.alarms.notices import Notice
from bssci.journal import AlarmRecord
from bssci.notices.webhook import NotTaken, WebhookChannel
from bssci.sinks.http_post import NoAnswer, Poster, parse_target
from bssci.sinks.webhook import parse_secret, sign
from tests.sinks.http_receiver import Receiver, Response

RECORD = AlarmRecord(number=1, id="sink-failing:mqtt", severity="error", text="down", href="/", since=1.0)
NOTICE = Notice("EUI", [RECORD], [], 1)


def channel(receiver: Receiver, **more: Any) -> WebhookChannel:
    settings = SimpleNamespace(
        alarm_webhook_url="https://u:p@a.b/hook", alarm_webhook_secret="", timezone="UTC", web_url=""
    )
    for name, value in more.items():
        setattr(settings, name, value)
    clock = Clock()
    return WebhookChannel(
        clock,
        lambda: settings,
        lambda: 5.0,
        lambda url: Poster(clock, receiver, parse_target(url), 10.0),
    )


def test_it_is_json_and_signed() -> None:
    receiver = Receiver(lambda request: Response(204))
    receiver.taken = SimpleNamespace(__iadd__=lambda self, other: self)  # no uplinks here
    sent: list[Any] = []
    receiver.answer = lambda request: sent.append(request) or Response(204)
    done: list[Any] = []
    channel(receiver, alarm_webhook_secret="s3cret").send(NOTICE).addBoth(done.append)
    [request] = receiver.requests
    said = json.loads(request.body)
    assert [each["id"] for each in said["opened"]] == ["sink-failing:mqtt"] and "down" in said["text"]
    headers = request.headers
    assert headers["webhook-signature"] == sign(
        parse_secret("s3cret"), headers["webhook-id"], "5", request.body
    )
    assert headers["authorization"].startswith("Basic ")


def test_a_refusal_says_who_and_what() -> None:
    receiver = Receiver(lambda request: Response(500))
    failed: list[Any] = []
    channel(receiver).send(NOTICE).addErrback(failed.append)
    assert failed[0].check(NotTaken) and failed[0].getErrorMessage() == "https://a.b: answered 500"


def test_no_answer_is_a_failure() -> None:
    receiver = Receiver()
    receiver.away = True
    failed: list[Any] = []
    channel(receiver).send(NOTICE).addErrback(failed.append)
    assert failed[0].check(NoAnswer)


@pytest.mark.parametrize(("url", "is_set"), [("", False), ("https://a.b/", True)])
def test_without_a_url_there_is_nobody_to_tell(url: str, is_set: bool) -> None:
    assert channel(Receiver(), alarm_webhook_url=url).is_set() is is_set
