"""Alarms by the API and on their page."""

from __future__ import annotations

from collections.abc import Callable

from bssci.center.alarms.alarms import CALM
from bssci.center.alarms.conditions import Condition
from bssci.center.alarms.trial import AlarmTrial
from bssci.center.deliveries import Deliveries
from bssci.web.outside import Outside
from tests.support.center import Line
from tests.support.web import WebHouse
from tests.web.html import Document

ROOF = Condition("station-refused:roof", "warning", "Roof is refused", "/stations")
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
    assert (alarm["over_since"], alarm["closes_at"]) == (None, None)
    for _ in range(8):
        web.center.alarms.evaluate({"sink-failing"}, [])
        web.advance(5)
    assert viewer.get("/api/alarms?state=open").json()["alarms"] == []
    [alarm] = viewer.get("/api/alarms?state=closed").json()["alarms"]
    assert alarm["until"] >= alarm["since"]
    web.crash()
    assert web.browser("viewer").get("/api/alarms").json()["counts"]["closed"] == 1


def test_everything_says_the_same_of_an_alarm_whose_condition_is_over(web: WebHouse) -> None:
    """It is open until its calm is over: API, dashboard, the corner of every page, and the list."""
    Line(web).connect()
    web.center.alarms.evaluate({"station-refused"}, [ROOF])
    browser = web.browser("viewer")
    health = browser.get("/api/dashboard").json()["health"]
    assert [each["text"] for each in health["problems"]] == ["Roof is refused"] and health["watched"] == []
    over_at = web.now()
    web.center.alarms.evaluate({"station-refused"}, [])
    web.advance(10)
    [alarm] = browser.get("/api/alarms?state=open").json()["alarms"]
    assert (alarm["over_since"], alarm["closes_at"]) == (over_at, over_at + CALM)
    health = browser.get("/api/dashboard").json()["health"]
    assert (health["ok"], health["problems"]) == (True, [])
    assert health["sentence"] == "All is well again; 1 alarm is watched for a while."
    assert health["watched"] == [
        {"text": "Roof is refused", "href": "/stations", "over_since": over_at, "closes_at": over_at + CALM}
    ]
    for path in ("/", "/alarms"):
        page = Document(browser.get(path).text)
        text = page.one("main").text
        assert "Roof is refused" in text and "the alarm closes in 20\u202fs, unless it comes back" in text
        assert [each.text for each in page.all("span") if each["class"] == "in-full"] == [
            "All is well, 1 watched"
        ]
    web.center.alarms.evaluate({"station-refused"}, [ROOF])
    assert "but roof is refused." in browser.get("/").text.lower()
    assert "watched" not in browser.get("/alarms").text


def test_a_test_alarm_goes_out_and_its_result_is_told(make_web_house: Callable[..., WebHouse]) -> None:
    web = make_web_house()
    assert web.browser("operator").post("/api/alarms/test").status == 503
    trial = AlarmTrial(web.clock, web.journal, [], [Unset()], Deliveries(web.journal), "SC", web.now)
    object.__setattr__(web.admin.context, "outside", Outside(alarm_trial=trial))
    assert web.browser("viewer").post("/api/alarms/test").status == 403
    answer = web.browser("operator").post("/api/alarms/test").json()
    assert answer == {
        "success": True,
        "ok": True,
        "lines": [{"ok": False, "text": "mail: not set, it sends to nobody: set ALARM_MAIL_HOST"}],
        "ways": [{"name": "mail", "state": "not set", "text": "it sends to nobody: set ALARM_MAIL_HOST"}],
    }
    assert ("operator", "alarm.test", "") in web.audit()
    kinds = [event["kind"] for event in web.browser("viewer").get("/api/events").json()["events"]]
    assert kinds[:2] == ["alarm", "alarm"]


class Unset:
    """A channel that is not set."""

    name = "mail"
    needs = "ALARM_MAIL_HOST"

    def is_set(self) -> bool:
        return False

    def send(self, notice: object) -> None:
        raise AssertionError("not set")


def test_alarms_are_found_and_acknowledged_together(web: WebHouse) -> None:
    viewer, operator = web.browser("viewer"), web.browser("operator")
    web.center.alarms.evaluate({"sink-failing", "station-refused"}, [BAD, ROOF])
    for q, found in (("ROOF", [ROOF.id]), ("sink-fail", [BAD.id]), ("", [BAD.id, ROOF.id]), ("kim", [])):
        alarms = viewer.get(f"/api/alarms?q={q}").json()["alarms"]
        assert sorted(each["id"] for each in alarms) == sorted(found)
    page = Document(operator.get("/alarms?q=roof").text).one("main").text
    assert "Roof is refused" in page and "mqtt cannot deliver" not in page
    assert "No alarm matches" in Document(operator.get("/alarms?q=kim").text).one("main").text
    path, both = "/api/alarms/acknowledge", {"ids": [BAD.id, ROOF.id, BAD.id]}
    assert viewer.post(path, both).status == 403
    refused = operator.post(path, {"ids": [BAD.id, "nothing"]})
    assert (refused.status, refused.error["message"]) == (404, "there is no alarm nothing")
    assert viewer.get("/api/alarms").json()["counts"]["new"] == 2, "it was all or none"
    acknowledged = operator.post(path, both).json()["alarms"]
    assert [(each["id"], each["acknowledged_by"]) for each in acknowledged] == [
        (BAD.id, "operator"),
        (ROOF.id, "operator"),
    ]
    assert viewer.get("/api/alarms").json()["counts"] == {"open": 2, "new": 0, "closed": 0}
    assert len(viewer.get("/api/alarms?q=Operator").json()["alarms"]) == 2


def test_the_event_of_an_alarm_leads_to_its_subject(web: WebHouse) -> None:
    web.center.alarms.evaluate({"sink-failing"}, [BAD])
    browser = web.browser("viewer")
    [event] = browser.get("/api/events?kind=alarm").json()["events"]
    assert event["href"] == BAD.href
    links = {each["href"] for each in Document(browser.get("/live").text).all("a") if BAD.id in each.text}
    assert links == {BAD.href}
