from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.python.failure import Failure

from bssci.journal import StorageError
from bssci.web.monitoring.probe import FRESH, LATELY, WRITE_TIME
from bssci.web.outside import Outside
from tests.support.web import WebHouse


def ready(web: WebHouse) -> dict[str, Any]:
    answer: dict[str, Any] = web.browser().get("/readyz").json()
    return answer


def test_a_service_that_works_is_ready(web: WebHouse) -> None:
    assert ready(web)["ready"] is True


def test_a_sink_that_is_yet_to_reach_its_other_side_is_no_reason_to_wait(web: WebHouse) -> None:
    web.center.deliveries.delivering = lambda: {"mqtt": False, "log": True}
    answer = ready(web)
    assert (answer["ready"], answer["sinks"]) == (True, {"mqtt": False, "log": True})


def test_a_full_disk_is_seen_and_counts_for_a_while(web: WebHouse) -> None:
    probe = web.admin.context.probe
    web.journal.broken = True
    web.advance(FRESH)
    assert web.browser().get("/readyz").status == 503
    assert probe.journal_trouble
    web.journal.broken = False
    web.advance(FRESH)
    ready(web)
    web.advance(LATELY)
    assert ready(web)["ready"] is True
    assert probe.journal_is_writable and probe.journal_trouble == ""


def test_a_journal_that_does_not_answer_is_not_writable(web: WebHouse) -> None:
    probe = web.admin.context.probe
    web.advance(FRESH)
    web.journal.queues, held = [], web.journal.queues
    probe.refresh()
    web.clock.advance(WRITE_TIME)
    assert not probe.journal_is_writable
    assert probe.journal_trouble == "a write has not ended for 2 s"
    web.journal.queues = held
    web.settle()


def test_health_and_readiness(make_web_house: Callable[..., WebHouse]) -> None:
    listening = [True]
    web = make_web_house(outside=Outside(listening=lambda: listening[0]))
    browser = web.browser()
    assert browser.get("/healthz").json() == {"status": "ok"}
    assert browser.get("/readyz").json()["ready"] is True
    web.journal.broken = True
    web.advance(5)
    answer = browser.get("/readyz")
    web.journal.broken = False
    assert answer.status == 503 and answer.json()["journal"] is False
    web.advance(5)
    listening[0] = False
    assert browser.get("/readyz").status == 503


def test_a_journal_that_refuses_uplinks_is_not_ready(web: WebHouse) -> None:
    browser = web.browser("viewer")
    web.center._refused(Failure(StorageError("full")))
    answer = browser.get("/readyz")
    assert answer.status == 503 and answer.json()["journal"] is False
    assert "uplinks are refused" in browser.get("/").text
    web.advance(14)
    web.journal.statistics.failed_commits += 1
    assert browser.get("/readyz").status == 503
    web.advance(14)
    assert browser.get("/readyz").status == 503
    web.advance(2)
    assert browser.get("/readyz").json()["journal"] is True
