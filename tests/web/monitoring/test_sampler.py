from __future__ import annotations

from typing import Any

from bssci.web.monitoring import sampler
from tests.support.web import WebHouse


def test_figures_over_time(web: WebHouse) -> None:
    sampling = sampler.Sampler(web.clock, web.now, web.center, web.admin.context.figures)
    for minute in range(5):
        web.center.deduplication.statistics.published_messages += 10 * minute
        sampling.sample()
        web.advance(60)
    answer = web.browser("viewer").get("/api/history?metric=uplinks&range=hour").json()
    assert [value for _, value in answer["points"]] == [0, 10, 20, 30, 40]
    assert answer["unit"] == "/min"
    browser = web.browser("viewer")
    assert browser.get("/api/history?metric=colour").error["field"] == "metric"
    assert browser.get("/api/history?range=year").error["field"] == "range"
    assert browser.get("/api/dashboard").json()["uplinks"]["last_hour"] == 100
    web.advance(sampler.KEPT)
    sampling.sample()
    later = web.browser("viewer").get("/api/history?metric=uplinks&range=week").json()
    assert len(later["points"]) == 1


def test_the_journal_is_counted_in_the_megabytes_of_its_maximum(web: WebHouse, monkeypatch: Any) -> None:
    monkeypatch.setattr(web.journal, "size", lambda: 16 * 1024 * 1024)
    sampler.Sampler(web.clock, web.now, web.center, web.admin.context.figures).sample()
    web.settle()
    points = web.browser("viewer").get("/api/history?metric=journal_size&range=hour").json()["points"]
    assert [value for _, value in points] == [16.0]


def test_a_hole_in_the_figures_is_a_hole_in_the_line(web: WebHouse) -> None:
    sampling = sampler.Sampler(web.clock, web.now, web.center, web.admin.context.figures)
    sampling.sample()
    web.advance(600)
    sampling.sample()
    points = web.browser("viewer").get("/api/history?metric=backlog&range=hour").json()["points"]
    assert [value for _, value in points] == [3.0, None, 3.0]


def test_the_last_hour_holds_uplinks_that_no_sample_has_yet(web: WebHouse) -> None:
    sampling = sampler.Sampler(web.clock, web.now, web.center, web.admin.context.figures)
    sampling.start()
    browser = web.browser("viewer")

    def uplinks() -> dict[str, float]:
        told: dict[str, float] = browser.get("/api/dashboard").json()["uplinks"]
        return told

    web.advance(10)
    web.center.deduplication.statistics.published_messages += 7
    assert uplinks()["rate"] > 0 and uplinks()["last_hour"] == 7
    sampling.sample()
    web.settle()
    web.center.deduplication.statistics.published_messages += 2
    assert uplinks()["last_hour"] == 9
    web.advance(120)
    assert uplinks()["last_hour"] == 9
    sampling.stop()
