from __future__ import annotations

from typing import Any

from bssci.web.monitoring.probe import FRESH, LATELY, WRITE_TIME
from tests.support.web import WebHouse


def ready(web: WebHouse) -> dict[str, Any]:
    answer: dict[str, Any] = web.browser().get("/readyz").json()
    return answer


def test_a_service_that_works_is_ready(web: WebHouse) -> None:
    assert ready(web)["ready"] is True


def test_a_full_disk_is_seen_and_counts_for_a_while(web: WebHouse) -> None:
    probe = web.admin.context.probe
    web.journal.broken = True
    web.advance(FRESH)
    assert web.browser().get("/readyz").status == 503
    web.journal.broken = False
    web.advance(FRESH)
    ready(web)
    web.advance(LATELY)
    assert ready(web)["ready"] is True
    assert probe.journal_is_writable


def test_a_journal_that_does_not_answer_is_not_writable(web: WebHouse) -> None:
    probe = web.admin.context.probe
    web.advance(FRESH)
    web.journal.queues, held = [], web.journal.queues
    probe.refresh()
    web.clock.advance(WRITE_TIME)
    assert not probe.journal_is_writable
    web.journal.queues = held
    web.settle()
