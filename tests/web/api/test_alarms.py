"""Alarms by the API and on their page."""

from __future__ import annotations

from bssci.center.alarms.conditions import Condition
from tests.support.html import Document
from tests.support.web import WebHouse

BAD = Condition("sink-failing:mqtt", "error", "mqtt cannot deliver", "/#sinks")


def test_an_alarm_is_listed_acknowledged_and_over(web: WebHouse) -> None:
    viewer, operator = web.browser("viewer"), web.browser("operator")
    assert viewer.get("/api/alarms").json() == {"alarms": [], "counts": {"open": 0, "new": 0, "closed": 0}}
    assert "Nothing has been wrong yet" in Document(viewer.get("/alarms").text).one("main").text
    web.center.alarms.evaluate({"sink-failing"}, [BAD])
    [alarm] = viewer.get("/api/alarms?state=new").json()["alarms"]
    assert (alarm["id"], alarm["state"], alarm["since"]) == (BAD.id, "open", web.now())
    path = f"/api/alarms/{BAD.id}/acknowledge"
    assert viewer.post(path).status == 403
    assert operator.post(path).json()["alarm"]["acknowledged_by"] == "operator"
    assert operator.post("/api/alarms/nothing/acknowledge").status == 404
    assert ("operator", "alarm.acknowledge", BAD.id) in web.audit()
    assert viewer.get("/api/alarms").json()["counts"] == {"open": 1, "new": 0, "closed": 0}
    page = Document(viewer.get("/alarms").text).one("main").text
    assert "mqtt cannot deliver" in page and "by operator" in page
    for _ in range(8):
        web.center.alarms.evaluate({"sink-failing"}, [])
        web.advance(5)
    assert viewer.get("/api/alarms?state=open").json()["alarms"] == []
    [alarm] = viewer.get("/api/alarms?state=closed").json()["alarms"]
    assert alarm["until"] >= alarm["since"]
    web.crash()
    assert web.browser("viewer").get("/api/alarms").json()["counts"]["closed"] == 1
