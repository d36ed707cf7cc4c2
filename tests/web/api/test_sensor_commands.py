"""Commands for sensors by the API, and what it says of their outcomes."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed

from bssci.center.devices.sensors import Changes
from bssci.center.downlinks.request_json import NOT_YET_REVOKED
from bssci.model import EUI
from bssci.model.commands import AWAY, DONE, UNANSWERED, Outcome, Outcomes
from tests.support.center import result_of
from tests.support.web import SENSOR, Answer, WebHouse, sensor_entry

OTHER = "70B3D56770110002"
REFUSED = Outcome("failed", 22, "no")
BULK = "/api/sensors/bulk"
COMMANDS = [
    ("change_sensor", "POST", "/api/sensors", sensor_entry(1, name="Cellar"), "it is stored, but "),
    ("import_", "POST", "/api/sensors/import", [sensor_entry(1, name="Cellar")], "they are stored, but "),
    ("remove", "DELETE", f"/api/sensors/{SENSOR}", None, "it is deleted, but "),
    ("clear", "POST", "/api/sensors/clear", {"confirm": "CLEAR ALL"}, "they are deleted, but "),
    (
        "remove",
        "POST",
        "/api/sensors/bulk",
        {"action": "delete", "sensors": [SENSOR]},
        "they are deleted, but ",
    ),
    ("attach", "POST", f"/api/sensors/{SENSOR}/attach", {}, ""),
    ("detach", "POST", f"/api/sensors/{SENSOR}/detach", {}, ""),
    ("attach", "POST", "/api/sensors/attach-all", {}, ""),
    ("detach", "POST", "/api/sensors/detach-all", {}, ""),
    ("attach", "POST", BULK, {"action": "attach", "sensors": [SENSOR]}, ""),
]


def _result(web: WebHouse, deferred: Deferred[Any]) -> Any:
    web.settle()
    return result_of(deferred)


def test_commands_for_one_for_a_selection_and_for_all(web: WebHouse) -> None:
    browser = web.browser("operator")
    browser.post("/api/sensors", sensor_entry(2))
    assert browser.post(f"/api/sensors/{SENSOR}/detach").status == 200
    assert browser.get(f"/api/sensors/{SENSOR}").json()["registration"] == "detached"
    assert browser.post(f"/api/sensors/{SENSOR}/attach").json()["base_stations"] == {}
    assert browser.post("/api/sensors/0000000000000009/attach").status == 404
    bulk = {"action": "detach", "sensors": [SENSOR.lower(), OTHER]}
    assert browser.post("/api/sensors/bulk", bulk).json()["sensors"] == 2
    assert browser.get("/api/sensors?status=detached").json()["matching"] == 2
    assert browser.post("/api/sensors/attach-all").json()["sensors"] == 2
    assert browser.post("/api/sensors/bulk", {"action": "eat", "sensors": []}).error["field"] == "action"
    assert browser.post("/api/sensors/bulk", {"action": "attach", "sensors": ["x"]}).status == 422
    assert browser.post("/api/sensors/clear", {}).error["field"] == "confirm"
    assert len(web.center.sensors) == 2
    assert browser.post("/api/sensors/clear", {"confirm": "CLEAR ALL"}).status == 200
    assert len(web.center.sensors) == 0


def test_a_program_clears_without_being_asked_twice(web: WebHouse) -> None:
    robot = web.browser()
    robot.token = web.file.create_token("robot", "operator")
    assert robot.post("/api/sensors/clear", {"confirm": "no"}).status == 422
    assert robot.post("/api/sensors/clear").json()["success"] is True
    assert not len(web.center.sensors)


def test_downlinks_are_queued_listed_and_revoked(web: WebHouse) -> None:
    browser = web.browser("operator")
    answer = browser.post(f"/api/sensors/{SENSOR}/downlink", {"data": "0102", "ref": "r", "prio": 2})
    assert answer.status == 200
    queue_id = answer.json()["queId"]
    listed = browser.get(f"/api/sensors/{SENSOR}/downlinks").json()["downlinks"]
    assert [(each["queId"], each["state"], each["data"], each["dataHex"]) for each in listed] == [
        (queue_id, "queued", [[1, 2]], ["0102"])
    ]
    wrong = browser.post(f"/api/sensors/{SENSOR}/downlink", {"data": "xyz"})
    assert wrong.status == 422 and wrong.error["field"] == "data"
    assert browser.delete(f"/api/sensors/{SENSOR}/downlink/{queue_id}").json()["state"] == "revoked"
    assert browser.delete(f"/api/sensors/{SENSOR}/downlink/{queue_id + 1}").status == 404
    assert browser.delete(f"/api/sensors/{SENSOR}/downlink/{'9' * 30}").status == 404


@pytest.mark.parametrize(("command", "method", "path", "body", "done"), COMMANDS)
def test_what_no_station_did_is_no_success_and_what_some_did_says_so(
    web: WebHouse,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    method: str,
    path: str,
    body: object,
    done: str,
) -> None:
    browser = web.browser("operator")

    def ask(*states: Outcome) -> Answer:
        async def carried_out(*_: object, **__: object) -> Outcomes:
            return Outcomes(
                {EUI(SENSOR): {EUI(f"{number:016X}"): state for number, state in enumerate(states)}}
            )

        monkeypatch.setattr(web.center.commands, command, carried_out)
        return browser.ask(method, path, body)

    failed = ask(REFUSED, UNANSWERED, AWAY)
    told, message = failed.json(), f"{done}2 of 2 connected base stations did not do it"
    if done:
        assert (failed.status, told["success"], told["partially_failed"]) == (200, True, True)
        assert told["message"] == message
    else:
        assert (failed.status, told["success"]) == (409, False)
        assert failed.error == {"code": "failed", "message": message}
    if "outcomes" in told:
        assert told["outcomes"] == {"failed": 1, "unanswered": 1, "away": 1}
    else:
        assert told["base_stations"]["0" * 16] == {"state": "failed", "code": 22, "message": "no"}
    partly = ask(DONE, REFUSED)
    assert partly.status == 200
    assert (partly.json()["success"], partly.json()["partially_failed"]) == (True, True)
    assert partly.json()["message"] == f"{done}1 of 2 connected base stations did not do it"
    for states in ((), (AWAY,), (DONE, AWAY)):
        answer = ask(*states)
        assert answer.status == 200
        assert (answer.json()["success"], answer.json()["partially_failed"]) == (True, False)


def test_a_selection_that_holds_what_is_gone_is_refused_whole_and_names_it(web: WebHouse) -> None:
    gone = ["70B3D59CDF0000F1", "70B3D59CDF0000F2"]
    for action in ("attach", "detach", "delete"):
        asked = {"action": action, "sensors": [gone[0], SENSOR, gone[1]]}
        answer = web.browser("operator").post(BULK, asked)
        assert (answer.status, answer.error["code"]) == (404, "unknown_sensor")
        assert answer.json()["unknown"] == gone
    assert EUI(SENSOR) in web.center.sensors


def test_refusals_are_described(web: WebHouse) -> None:
    document = web.browser("viewer").get("/api/openapi.json").json()

    def properties(response: dict[str, Any]) -> set[str]:
        name = response["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        return set(document["components"]["schemas"][name]["properties"])

    for _, method, path, _, stored in COMMANDS:
        responses = document["paths"][path.replace(SENSOR, "{eui}")][method.lower()]["responses"]
        if not stored:
            assert {"success", "error", "base_stations"} <= properties(responses["409"])
        outcomes = "outcomes" if "import" in path else "base_stations"
        assert {outcomes, "partially_failed", "message"} <= properties(responses["200"])


def test_a_change_that_stations_do_not_see_attaches_nothing_again(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    attached: list[EUI] = []
    changed = web.center.attachments.changed

    async def watched(changes: Changes, **more: Any) -> Outcomes:
        attached.extend(changes.attach)
        return await changed(changes, **more)

    monkeypatch.setattr(web.center.attachments, "changed", watched)
    browser = web.browser("operator")
    assert browser.post("/api/sensors", sensor_entry(1, name="Cellar", autoDetach=False)).status == 200
    assert browser.post("/api/sensors/import", [sensor_entry(1, tags=["a"])]).status == 200
    assert attached == []
    assert browser.post("/api/sensors", sensor_entry(1, shortAddr="00FF")).status == 200
    assert attached == [SENSOR]


def test_a_revocation_that_no_station_has_answered_says_so(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = web.browser("operator")
    queue_id = browser.post(f"/api/sensors/{SENSOR}/downlink", {"data": "01"}).json()["queId"]
    [queued] = _result(web, web.center.downlinks.of(EUI(SENSOR)))
    monkeypatch.setattr(web.center.commands, "revoke_downlink", lambda eui, queue_id, by: succeed(queued))
    answer = browser.delete(f"/api/sensors/{SENSOR}/downlink/{queue_id}").json()
    assert (answer["state"], answer["message"]) == ("queued", NOT_YET_REVOKED)
