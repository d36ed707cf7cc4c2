from __future__ import annotations

from tests.support.web import WebHouse


def test_metrics_are_text_for_prometheus_and_for_viewers(web: WebHouse) -> None:
    answer = web.browser("viewer").get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "\nbssci_sensors 1.0\n" in answer.text
    assert web.browser().get("/metrics", headers={"Accept": "application/json"}).status == 401


def test_the_description_of_the_api_says_where_it_is_reached(web: WebHouse) -> None:
    document = web.browser("viewer").get("/api/openapi.json").json()
    assert document["servers"] == [{"url": "/"}]
    assert document["info"]["version"] == web.center.version
