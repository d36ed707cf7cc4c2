from __future__ import annotations

import json

import pytest

from bssci.center.alarms.conditions import Condition
from tests.support.web import WebHouse
from tests.web.html import Document


@pytest.mark.parametrize(
    ("query", "status"), [("", 200), ("?state=new", 200), ("?state=loud", 422), ("?page=0", 422)]
)
def test_alarms_are_chosen_by_state_and_page(web: WebHouse, query: str, status: int) -> None:
    assert web.browser("viewer").get(f"/alarms{query}").status == status


def test_a_page_without_alarms_says_so(web: WebHouse) -> None:
    text = Document(web.browser("viewer").get("/alarms").text).one("main").text
    assert "Nothing has been wrong yet" in text


def test_open_errors_come_before_open_warnings_and_what_is_over_last(web: WebHouse) -> None:
    alarms = web.center.alarms
    begun = [
        Condition("station-offline:A", "error", "A is offline", "/", web.now()),
        Condition("sink-backlog:b", "warning", "b is behind", "/", web.now()),
        Condition("not-listening", "error", "nobody gets in", "/", web.now()),
        Condition("decoder-rests:c", "warning", "c rests", "/", web.now()),
    ]
    alarms.evaluate({"station-offline", "sink-backlog", "not-listening", "decoder-rests"}, begun)
    alarms.evaluate({"not-listening"}, [])
    web.advance(60)
    alarms.evaluate({"not-listening"}, [])
    text = Document(web.browser("viewer").get("/alarms").text).one("main").text
    order = [text.index(each.text) for each in (begun[0], begun[3], begun[1], begun[2])]
    assert order == sorted(order)
    assert "Send a test alarm" not in text
    assert "nobody gets in" in Document(web.browser("viewer").get("/alarms?page=9").text).one("main").text
    operator = Document(web.browser("operator").get("/alarms").text).one("main").text
    assert operator.index("Send a test alarm") > operator.index("nobody gets in")


def test_those_on_the_page_are_acknowledged_together_by_who_may(web: WebHouse) -> None:
    found = [Condition(f"station-refused:{name}", "warning", f"{name} is out", "/") for name in "AB"]
    web.center.alarms.evaluate({"station-refused"}, found)

    def ids(role: str, query: str = "") -> list[str]:
        fields = Document(web.browser(role).get(f"/alarms{query}").text).all("input")
        return [id for each in fields if each["name"] == "ids" for id in json.loads(each["value"])]

    assert sorted(ids("operator")) == ["station-refused:A", "station-refused:B"]
    assert ids("operator", "?q=A+is") == [], "one has its own button"
    assert ids("viewer") == []
