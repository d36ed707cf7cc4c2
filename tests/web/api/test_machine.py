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


def test_the_description_of_the_messages_and_its_schemas_are_for_viewers(web: WebHouse) -> None:
    viewer = web.browser("viewer")
    document = viewer.get("/api/asyncapi.json").json()
    assert document["asyncapi"] == "3.0.0" and document["info"]["version"] == web.center.version
    assert document["channels"]["ep_eui_ul"]["address"] == "mioty/ep/{eui}/ul"
    for name in document["components"]["messages"]:
        schema = viewer.get(f"/api/schemas/{name}.json").json()
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    answer = viewer.get("/api/schemas/nonsense.json")
    assert (answer.status, answer.error["code"]) == (404, "not_found")
    assert web.browser().get("/api/asyncapi.json").status == 401
