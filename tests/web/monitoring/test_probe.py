from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.python.failure import Failure

from bssci.center.storing import FRESH, LATELY
from bssci.journal import StorageError
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


def test_a_full_disk_is_seen_and_so_is_its_end(web: WebHouse) -> None:
    web.journal.broken = True
    web.advance(FRESH)
    assert web.browser().get("/readyz").status == 503
    web.journal.broken = False
    web.advance(FRESH)
    assert ready(web)["ready"] is True


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
    web.center.storing.refused(Failure(StorageError("full")))
    answer = browser.get("/readyz")
    assert answer.status == 503 and answer.json()["journal"] is False
    assert "uplinks are refused" in browser.get("/").text
    web.advance(LATELY)
    assert browser.get("/readyz").json()["journal"] is True
