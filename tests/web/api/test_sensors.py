"""Sensors by the API: list, change, import, export, commands, downlinks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred, ensureDeferred, succeed
from twisted.internet.task import Clock

from bssci.center.devices.sensors import Changes
from bssci.center.downlinks.request_json import NOT_YET_REVOKED
from bssci.model import EUI, Uplink
from bssci.model.commands import AWAY, DONE, UNANSWERED, Outcome, Outcomes
from bssci.settings.rows import MASK
from bssci.web.api.answers import answer as answer_of
from bssci.web.api.answers import outcomes_of
from bssci.web.api.schemas.common import SensorsOutcome
from tests.support.center import STATION, Line, result_of
from tests.support.journal import reception
from tests.support.web import EPOCH, KEY, SENSOR, Answer, WebHouse, sensor_entry
from tests.support.wire import uplink
from tests.support.work import calls
from tests.web.html import Document

SCRIPT = "<script>alert(1)</script>"
OTHER = "70B3D56770110002"


def heard(web: WebHouse, *numbers: int, counter: int = 1, snr: float = 10.5) -> None:
    """Uplinks, published as if they had been received."""
    uplinks = []
    for number in numbers:
        eui = sensor_entry(number)["eui"]
        receptions = [replace(reception(counter, eui), snr=snr)]
        uplinks.append(
            Uplink(at=web.now(), id=f"{eui}{counter}", known=True, receptions=receptions, duplicates=0)
        )
    first = web.happen(*uplinks)
    web.center._published(uplinks, first)


def test_the_list_is_paged_searched_filtered_and_sorted(make_web_house: Callable[..., WebHouse]) -> None:
    web = make_web_house(sensors=120)
    heard(web, 5, 7)
    browser = web.browser("viewer")
    answer = browser.get("/api/sensors?per_page=50&page=3").json()
    assert (answer["total"], answer["matching"], answer["pages"]) == (120, 120, 3)
    assert len(answer["sensors"]) == 20
    assert answer["counts"]["attached"] == 120 and answer["counts"]["never seen"] == 118
    found = browser.get("/api/sensors?q=70:b3:d5:67:70:11:00:05").json()
    assert [row["eui"] for row in found["sensors"]] == ["70B3D56770110005"]
    newest = browser.get("/api/sensors?sort=-uplinks&per_page=2").json()["sensors"]
    assert [row["eui"][-1] for row in newest] == ["5", "7"]
    heard(web, 5, counter=2, snr=2.5)
    web.advance(3)
    strongest = browser.get("/api/sensors?sort=-snr&per_page=3").json()["sensors"]
    assert [row["snr"] for row in strongest] == [10.5, 8.5, None]
    active = browser.get("/api/sensors?status=active").json()
    assert active["matching"] == 2 and active["sensors"][0]["last_seen_at"] == pytest.approx(web.now())
    assert browser.get("/api/sensors?sort=colour").error["field"] == "sort"
    assert browser.get("/api/sensors?page=0").error["field"] == "page"
    assert browser.get("/api/sensors?per_page=501").error["field"] == "per_page"


def test_many_sensors_are_listed_without_looking_at_each(
    make_web_house: Callable[..., WebHouse],
) -> None:
    web = make_web_house(sensors=2_000)
    browser = web.browser("viewer")
    answer = browser.get("/api/sensors")
    assert len(answer.body) < 100_000
    for query in ("page=77", "q=77", "status=attached&sort=-name", "sort=-last_seen_at"):
        views = web.admin.views.sensors
        assert calls(lambda query=query: browser.get(f"/api/sensors?{query}")) < 7 * 2_000, query
        assert views is web.admin.views.sensors


def test_who_only_adds_changes_no_sensor_that_is_there(web: WebHouse) -> None:
    browser = web.browser("operator")
    added = browser.post("/api/sensors?only_new=1", sensor_entry(2, name="Cellar"))
    assert added.status == 200 and added.json()["created"] is True
    before = (web.directory / "endpoints.json").read_text()
    again = browser.post("/api/sensors?only_new=1", sensor_entry(2, nwKey="AB" * 16, name="Attic"))
    assert (again.status, again.error["code"], again.error["field"]) == (409, "conflict", "eui")
    assert again.error["message"] == f"{OTHER} is there already as Cellar: edit it on its page"
    assert (web.directory / "endpoints.json").read_text() == before


def test_a_sensor_is_added_changed_and_removed(web: WebHouse) -> None:
    browser = web.browser("operator")
    new = sensor_entry(2, name=SCRIPT, tags=[SCRIPT], vendor={"x": 1})
    answer = browser.post("/api/sensors", new)
    assert answer.status == 200 and answer.json()["created"] is True
    detail = browser.get(f"/api/sensors/{OTHER}").json()
    assert detail["configuration"]["nwKey"] == "********"
    assert detail["name"] == SCRIPT and detail["configuration"]["vendor"] == {"x": 1}
    changed = browser.post("/api/sensors", {"eui": OTHER.lower(), "nwKey": "********", "name": "Cellar"})
    assert changed.json()["created"] is False
    stored = json.loads((web.directory / "endpoints.json").read_text())
    assert stored[1] == {**stored[1], "name": "Cellar", "nwKey": KEY, "vendor": {"x": 1}}
    assert browser.delete(f"/api/sensors/{OTHER}").status == 200
    assert browser.delete(f"/api/sensors/{OTHER}").status == 404
    actions = [entry for entry in web.audit() if entry[1].startswith("sensor")]
    assert [action for _, action, _ in actions] == ["sensor.add", "sensor.update", "sensor.remove"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"eui": "70B3"}, "eui"),
        ({"nwKey": KEY + "0"}, "nwKey"),
        ({"nwKey": "g" * 32}, "nwKey"),
        ({"shortAddr": "12345"}, "shortAddr"),
        ({"bidi": "yes"}, "bidi"),
        ({"tags": "a"}, "tags"),
        ({"name": 5}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"tags": ["x" * 101]}, "tags"),
        ({"vendor": "x" * 16_384}, "vendor"),
    ],
)
def test_what_is_wrong_with_a_sensor_is_named(web: WebHouse, change: dict, field: str) -> None:
    answer = web.browser("operator").post("/api/sensors", sensor_entry(9) | change)
    assert answer.status == 422 and answer.error["field"] == field
    assert KEY not in answer.text


def test_script_in_every_text_is_escaped_on_pages(web: WebHouse) -> None:
    browser = web.browser("admin")
    browser.post("/api/sensors", sensor_entry(2, name=SCRIPT, tags=[SCRIPT]))
    for path in ("/sensors", f"/sensors/{OTHER}", f"/sensors/{OTHER}/edit", "/audit", f"/sensors?q={SCRIPT}"):
        page = browser.get(path)
        assert page.status == 200 and "<script>alert" not in page.text, path


def test_the_key_is_shown_to_administrators_only_and_that_is_written_down(web: WebHouse) -> None:
    assert web.browser("operator").post(f"/api/sensors/{SENSOR}/reveal").status == 403
    assert web.browser("admin").post(f"/api/sensors/{SENSOR}/reveal").json()["nwKey"] == KEY
    assert ("admin", "sensor.reveal_key", SENSOR) in web.audit()
    for path in (f"/api/sensors/{SENSOR}", "/api/sensors", "/api/sensors/export", f"/sensors/{SENSOR}"):
        assert KEY not in web.browser("admin").get(path).text


def test_no_secret_is_shown_if_that_cannot_be_written_down(web: WebHouse) -> None:
    browser = web.browser("admin")
    web.journal.broken = True
    answer = browser.post(f"/api/sensors/{SENSOR}/reveal")
    web.journal.broken = False
    assert answer.status == 503 and KEY not in answer.text


def test_export_and_import_again(web: WebHouse) -> None:
    admin, operator = web.browser("admin"), web.browser("operator")
    admin.post("/api/sensors", sensor_entry(2, name="=cmd|' /C calc'!A0", tags=["a", "b"]))
    assert operator.get("/api/sensors/export?keys=1").status == 403
    for form, kind in (("csv", "text/csv"), ("json", "application/json")):
        file = admin.get(f"/api/sensors/export?keys=1&format={form}")
        assert file.headers["content-type"].startswith(kind)
        assert "attachment" in file.headers["content-disposition"]
        answer = operator.post("/api/sensors/import?dry_run=1", file.body, content_type=kind).json()
        assert (answer["rows"], answer["unchanged"], answer["wrong"]) == (2, 2, 0)
    chosen = admin.get("/api/sensors/export?q=0110002&status=unheard").json()
    assert [each["eui"] for each in chosen] == [OTHER]
    assert admin.get(f"/api/sensors/export?station={STATION:016X}&keys=1").json() == []
    assert admin.get("/api/sensors/export?status=loud").status == 422
    csv = admin.get("/api/sensors/export?format=csv").text
    assert KEY not in csv and "'=cmd" in csv
    assert ("admin", "sensor.export_keys", "") in web.audit()


@pytest.mark.parametrize(
    ("place", "missing"), [({"lat": 48.1}, "lon"), ({"lon": 11.5, "text": "roof"}, "lat")]
)
def test_one_coordinate_without_the_other_is_refused_at_entry_and_loaded_if_it_is_kept(
    web: WebHouse, place: dict[str, Any], missing: str
) -> None:
    operator, entry = web.browser("operator"), sensor_entry(2, location=place)
    message = f"{missing} is missing: enter both lat and lon, or neither"
    for answer in (
        operator.post("/api/sensors", entry),
        operator.ask("PATCH", f"/api/sensors/{SENSOR}", {"location": place}),
    ):
        assert (answer.status, answer.error["field"]) == (422, "location")
        assert answer.error["message"] == f"location {message}"
    checked = operator.post("/api/sensors/import?dry_run=1", [entry]).json()
    assert checked["errors"] == [{"row": 1, "field": "location", "message": message}]
    web.configure([entry])
    assert operator.post("/api/sensors/reload", b"").status == 200
    changed = operator.ask("PATCH", f"/api/sensors/{entry['eui']}", {"name": "Hall"})
    assert changed.status == 200
    detail = operator.get(f"/api/sensors/{entry['eui']}").json()
    assert (detail["name"], detail["configuration"]["location"]) == ("Hall", place)


def test_control_characters_are_refused_at_entry_and_loaded_if_they_are_kept(web: WebHouse) -> None:
    operator = web.browser("operator")
    for changes in ({"name": "a\nb"}, {"decoder": "\0"}, {"tags": ["\x1b"]}, {"location": {"text": "\x7f"}}):
        answer = operator.post("/api/sensors", sensor_entry(2, **changes))
        field = next(iter(changes))
        assert (answer.status, answer.error["field"]) == (422, field)
        assert answer.error["message"] == f"{field} must have no control characters"
        imported = operator.post("/api/sensors/import?dry_run=1", [sensor_entry(2, **changes)]).json()
        assert imported["errors"] == [
            {"row": 1, "field": field, "message": "must have no control characters"}
        ]
    web.configure([sensor_entry(2, name="from\nbefore")])
    assert operator.post("/api/sensors/reload", b"").status == 200
    eui = sensor_entry(2)["eui"]
    assert operator.get(f"/api/sensors/{eui}").json()["name"] == "from\nbefore"
    assert operator.patch(f"/api/sensors/{eui}", {"interval": 60}).status == 200
    assert operator.patch(f"/api/sensors/{eui}", {"name": "from\nnow"}).status == 422


def test_import_names_every_wrong_row_and_takes_all_or_nothing(web: WebHouse) -> None:
    browser = web.browser("operator")
    lines = [
        "eui;nwKey;shortAddr;bidi;name;autoDetach",
        f"70-B3-D5-67-70-11-00-11;{KEY};0011;true;Eins;false",
        f"70B3D56770110012;{KEY}0;0012;;;",
        f"70B3D56770110011;{KEY};0013;;;",
        f"70B3D56770110014;{KEY};0014;maybe;;",
    ]
    text = "\r\n".join(lines).encode()
    answer = browser.post("/api/sensors/import?dry_run=1", text, content_type="text/csv").json()
    assert [(each["row"], each["field"]) for each in answer["errors"]] == [
        (2, "nwKey"),
        (3, "eui"),
        (4, "bidi"),
    ]
    assert (answer["added"], answer["wrong"]) == (1, 3)
    refused = browser.post("/api/sensors/import", text, content_type="text/csv")
    assert refused.status == 422 and refused.error["field"] == "nwKey" and KEY not in refused.text
    assert len(web.center.sensors) == 1
    good = "\n".join(lines[:2]).encode()
    taken = browser.post("/api/sensors/import", b"\xef\xbb\xbf" + good, content_type="text/csv")
    assert taken.status == 200 and taken.json()["added"] == 1
    sensor = web.center.sensors.get("70B3D56770110011")
    assert sensor.name == "Eins" and sensor.bidirectional and not sensor.auto_detach


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"\x81\x8d", "text/csv", 400),
        (b"name\nx", "text/csv", 422),
        (b"[" * 100_000, "application/json", 400),
        (b'{"a": 1}', "application/json", 400),
        (b"[NaN]", "application/json", 200),
        (b"eui", "text/plain", 415),
        (b'eui\n"', "text/csv", 400),
    ],
)
def test_files_that_are_none(web: WebHouse, body: bytes, kind: str, status: int) -> None:
    answer = web.browser("operator").post("/api/sensors/import?dry_run=1", body, content_type=kind)
    assert answer.status == status


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


def test_a_file_that_cannot_be_reloaded_changes_nothing(web: WebHouse) -> None:
    (web.directory / "endpoints.json").write_text("[{]")
    answer = web.browser("operator").post("/api/sensors/reload")
    assert answer.status == 422 and "endpoints.json" in answer.error["message"]
    assert len(web.center.sensors) == 1


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


def test_uplinks_history_and_signal(web: WebHouse) -> None:
    for counter in (1, 2, 5):
        heard(web, 1, counter=counter)
    browser = web.browser("viewer")
    first = browser.get(f"/api/sensors/{SENSOR}/uplinks?limit=2").json()
    assert [each["cnt"] for each in first["uplinks"]] == [5, 2]
    second = browser.get(f"/api/sensors/{SENSOR}/uplinks?limit=2&before={first['next']}").json()
    assert [each["cnt"] for each in second["uplinks"]] == [1] and second["next"] is None
    signal = browser.get(f"/api/sensors/{SENSOR}/signal?range=hour").json()
    assert signal["lost"] == 2 and signal["uplinks"] == 3
    assert signal["lost_before"] == {str(first["uplinks"][0]["seq"]): 2}
    assert [point[1] for point in signal["stations"]["70B3D59CD0000001"]["snr"]] == [10.5] * 3
    web.browser("operator").post(f"/api/sensors/{SENSOR}/downlink", {"data": "01"})
    history = browser.get(f"/api/sensors/{SENSOR}/history").json()["events"]
    assert [each["kind"] for each in history] == ["downlink-status"]


def test_unknown_sensors_are_listed(web: WebHouse) -> None:
    receptions = [reception(1, "00000000000000AA")]
    uplink = Uplink(at=EPOCH, id="x", known=False, receptions=receptions, duplicates=0)
    web.center._published([uplink], web.happen(uplink))
    answer = web.browser("viewer").get("/api/sensors/unknown").json()
    assert answer["total"] == 1 and answer["sensors"][0]["eui"] == "00000000000000AA"


REFUSED = Outcome("failed", 22, "no")
BULK = "/api/sensors/bulk"
COMMANDS = [
    ("change_sensor", "POST", "/api/sensors", sensor_entry(1, name="Cellar"), "it is stored, but "),
    ("import_", "POST", "/api/sensors/import", [sensor_entry(1, name="Cellar")], "they are stored, but "),
    ("remove", "DELETE", f"/api/sensors/{SENSOR}", None, "it is removed, but "),
    ("clear", "POST", "/api/sensors/clear", {"confirm": "CLEAR ALL"}, "they are removed, but "),
    (
        "remove",
        "POST",
        "/api/sensors/bulk",
        {"action": "delete", "sensors": [SENSOR]},
        "they are removed, but ",
    ),
    ("attach", "POST", f"/api/sensors/{SENSOR}/attach", {}, ""),
    ("detach", "POST", f"/api/sensors/{SENSOR}/detach", {}, ""),
    ("attach", "POST", "/api/sensors/attach-all", {}, ""),
    ("detach", "POST", "/api/sensors/detach-all", {}, ""),
    ("attach", "POST", BULK, {"action": "attach", "sensors": [SENSOR]}, ""),
]


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


def test_an_answer_for_many_counts_requests() -> None:
    outcomes = Outcomes(
        {EUI(eui): {EUI("0" * 16): state} for eui, state in ((SENSOR, REFUSED), (OTHER, DONE))}
    )
    report = result_of(ensureDeferred(outcomes_of(Clock(), [EUI(SENSOR), EUI(OTHER)], outcomes)))
    told = answer_of(SensorsOutcome, report, report["outcomes"])
    assert told.message == "1 of 2 requests to connected base stations failed"


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


def _result(web: WebHouse, deferred: Deferred[Any]) -> Any:
    web.settle()
    return result_of(deferred)


@pytest.mark.parametrize("value", [b'"\\ud800"', b"NaN"])
def test_an_import_that_no_file_can_hold_is_refused(web: WebHouse, value: bytes) -> None:
    entry = json.dumps(sensor_entry(2)).encode()[:-1] + b', "vendor": ' + value + b"}"
    answer = web.browser("operator").post("/api/sensors/import", b"[" + entry + b"]")
    assert answer.status == 422 and answer.error["field"] == "vendor"


def test_the_status_warning_lists_all_that_are_silent(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.center.silence, "state", lambda eui: "auto-detach pending")
    browser = web.browser("viewer")
    listed = browser.get("/api/sensors?status=warning").json()
    assert listed["matching"] == listed["counts"]["warning"] == 1
    asked = ensureDeferred(web.admin.views.status.dashboard())
    web.advance(1)
    dashboard = result_of(asked)
    assert dashboard["sensors"]["warning"] == 1
    assert {"/sensors?status=warning"} <= {each["href"] for each in dashboard["health"]["problems"]}


def test_a_row_with_more_cells_than_columns_is_wrong(web: WebHouse) -> None:
    file = f"eui,nwKey,shortAddr,name\n{OTHER},{KEY},0002,Cellar, left\n".encode()
    answer = web.browser("operator").post("/api/sensors/import?dry_run=1", file, content_type="text/csv")
    assert [(each["row"], each["field"]) for each in answer.json()["errors"]] == [(1, "row")]
    assert answer.json()["valid"] == 0


@pytest.mark.parametrize(("form", "kind"), [("csv", "text/csv"), ("json", "application/json")])
def test_a_masked_key_stays_as_it_is(web: WebHouse, form: str, kind: str) -> None:
    browser = web.browser("operator")
    file = browser.get(f"/api/sensors/export?format={form}").body
    answer = browser.post("/api/sensors/import", file, content_type=kind)
    assert answer.status == 200 and answer.json()["unchanged"] == 1
    assert web.center.sensors.get(SENSOR).network_key.hex().upper() == KEY
    unknown = file.replace(SENSOR.encode(), OTHER.encode())
    refused = browser.post("/api/sensors/import", unknown, content_type=kind)
    assert refused.status == 422 and refused.error["field"] == "nwKey" and "masked" in refused.text


def test_parameters_of_a_decoder_are_as_secret_as_the_key(web: WebHouse) -> None:
    browser = web.browser("operator")
    secret = "5EC2E7" * 5 + "00"
    body = {"eui": SENSOR, "nwKey": "", "decoder": "mbus", "decoderParameters": {"key": secret}}
    assert browser.post("/api/sensors", body).status == 200
    for path in (
        f"/api/sensors/{SENSOR}",
        "/api/sensors/export?format=csv",
        "/api/audit",
        f"/sensors/{SENSOR}",
    ):
        assert secret not in web.browser("admin").get(path).text, path
    assert browser.get(f"/api/sensors/{SENSOR}").json()["configuration"]["decoderParameters"] == MASK
    masked = {"eui": SENSOR, "nwKey": MASK, "name": "Meter", "decoderParameters": MASK}
    assert browser.post("/api/sensors", masked).status == 200
    sensor = web.center.sensors.get(SENSOR)
    assert (sensor.name, sensor.decoder_parameters) == ("Meter", {"key": secret})
    file = browser.get("/api/sensors/export?format=json").body
    assert browser.post("/api/sensors/import", file, content_type="application/json").json()["unchanged"] == 1


def test_the_audit_log_names_sensors_and_fields(make_web_house: Callable[..., WebHouse]) -> None:
    web = make_web_house(sensors=22)
    browser = web.browser("operator")
    euis = [sensor.eui for sensor in web.center.sensors]
    browser.post("/api/sensors", {"eui": SENSOR, "nwKey": "A" * 32, "name": "Cellar"})
    browser.post("/api/sensors/import", [sensor_entry(30)])
    browser.post("/api/sensors/bulk", {"action": "detach", "sensors": euis})
    entries = web.browser("admin").get("/api/audit").json()["entries"]
    details = {each["action"]: each["detail"] for each in entries}
    assert details["sensor.update"] == "nwKey, name: – -> Cellar"
    assert details["sensor.import"] == f"1 added, 0 changed: {sensor_entry(30)['eui']}"
    assert details["sensor.detach"] == f"22 sensors: {', '.join(euis[:20])} and 2 more"


def test_what_was_never_heard_is_told_also_once_it_is_attached(
    make_web_house: Callable[..., WebHouse],
) -> None:
    web = make_web_house(sensors=3)
    heard(web, 1)
    browser = web.browser("operator")
    browser.post("/api/sensors/attach-all")
    listed = browser.get("/api/sensors?status=unheard").json()
    assert [row["status"] for row in listed["sensors"]] == ["registered", "registered"]
    assert (listed["matching"], listed["counts"]["unheard"], listed["counts"]["never seen"]) == (2, 2, 0)
    assert browser.get("/api/dashboard").json()["sensors"]["never_seen"] == 2


def test_the_list_is_gathered_anew_after_attaching_and_detaching(web: WebHouse) -> None:
    browser = web.browser("operator")
    assert browser.get("/api/sensors?status=attached").json()["matching"] == 1
    browser.post("/api/sensors/bulk", {"action": "detach", "sensors": [SENSOR]})
    listed = browser.get("/api/sensors?status=detached").json()
    assert listed["matching"] == listed["counts"]["detached"] == 1
    assert listed["sensors"][0]["registration"] == "detached"
    browser.post(f"/api/sensors/{SENSOR}/attach")
    assert browser.get("/api/sensors?status=attached").json()["matching"] == 1
    browser.post(f"/api/sensors/{SENSOR}/detach")
    assert browser.get("/api/sensors?status=detached").json()["matching"] == 1


def test_every_wrong_field_of_a_sensor_is_told_at_once(web: WebHouse) -> None:
    wrong = {"eui": "70", "nwKey": KEY + "0", "shortAddr": 1, "bidi": "yes", "tags": "a", "name": 5}
    answer = web.browser("operator").post("/api/sensors", wrong)
    assert answer.status == 422 and answer.error["field"] == "eui"
    told = {each["field"]: each["message"] for each in answer.error["errors"]}
    assert told.keys() == wrong.keys()
    assert told["nwKey"] == "nwKey must be 32 hexadecimal digits, not 33"
    empty = web.browser("operator").post("/api/sensors", {})
    assert [each["message"] for each in empty.error["errors"]] == [
        "eui is missing",
        "nwKey is missing",
        "shortAddr is missing",
        "bidi is missing",
    ]


def test_all_sensors_come_in_one_answer(make_web_house: Callable[..., WebHouse]) -> None:
    web = make_web_house(sensors=1203)
    browser = web.browser("viewer")
    whole = browser.get("/api/sensors?per_page=all&sort=-eui").json()
    pages = [browser.get(f"/api/sensors?per_page=500&sort=-eui&page={page}").json() for page in (1, 2, 3)]
    assert whole["sensors"] == [row for page in pages for row in page["sensors"]]
    assert len(whole["sensors"]) == 1203
    same = {"total", "matching", "counts"}
    assert {name: whole[name] for name in same} == {name: pages[0][name] for name in same}
    assert (whole["page"], whole["per_page"], whole["pages"]) == (1, 1203, 1)
    nobody = browser.get("/api/sensors?per_page=all&q=nobody").json()
    assert (nobody["sensors"], nobody["matching"], nobody["total"]) == ([], 0, 1203)
    assert browser.ask("HEAD", "/api/sensors?per_page=all").body == b""


def test_of_the_sensors_that_a_station_hears_its_own_signal_is_told(web: WebHouse) -> None:
    first, second = Line(web), Line(web, STATION + 1)
    first.connect()
    second.connect()
    first.say(uplink(1, snr=20.0, rssi=-60.0, epEui=int(SENSOR, 16)))
    second.say(uplink(1, snr=5.0, rssi=-110.0, epEui=int(SENSOR, 16)))
    web.advance(3)
    browser = web.browser("viewer")
    for station, signal in ((STATION, (20.0, -60.0)), (STATION + 1, (5.0, -110.0))):
        [row] = browser.get(f"/api/sensors?station={station:016X}").json()["sensors"]
        assert (row["snr"], row["rssi"]) == signal
        assert row["heard_by_station_at"] is not None
    [row] = browser.get("/api/sensors").json()["sensors"]
    assert row["snr"] == 20.0 and row["heard_by_station_at"] is None


def test_patch_changes_what_it_names_and_nothing_else(web: WebHouse) -> None:
    browser = web.browser("admin")
    browser.post(
        "/api/sensors", sensor_entry(1, name="old", tags=["a"], interval=60, floor="3", typeEui=SENSOR)
    )
    answer = browser.ask("PATCH", f"/api/sensors/{SENSOR}", {"name": "new", "interval": None, "floor": None})
    assert answer.status == 200 and answer.json()["created"] is False
    [kept] = browser.get("/api/sensors/export?keys=1").json()
    assert (kept["name"], kept["tags"], kept["typeEui"], kept["nwKey"]) == ("new", ["a"], SENSOR, KEY)
    assert "interval" not in kept and "floor" not in kept
    assert ("admin", "sensor.update", SENSOR) in web.audit()


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"shortAddr": "1", "bidi": "yes", "interval": -1}, ["shortAddr", "bidi", "interval"]),
        ({"nwKey": None}, ["nwKey"]),
        ({"eui": "70B3D56770110009"}, ["eui"]),
        ({"name": "x", "dryRun": True}, ["dryRun"]),
    ],
)
def test_a_wrong_patch_names_every_field_and_changes_nothing(
    web: WebHouse, body: dict[str, Any], fields: list[str]
) -> None:
    browser = web.browser("admin")
    before = browser.get("/api/sensors/export?keys=1").json()
    answer = browser.ask("PATCH", f"/api/sensors/{SENSOR}", body)
    assert answer.status == 422
    assert [each["field"] for each in answer.error.get("errors", [answer.error])] == fields
    assert browser.get("/api/sensors/export?keys=1").json() == before


def test_patch_knows_its_sensors_and_parameters(web: WebHouse) -> None:
    browser = web.browser("operator")
    assert browser.ask("PATCH", "/api/sensors/70B3D56770110099", {"name": "x"}).status == 404
    assert browser.ask("PATCH", f"/api/sensors/{SENSOR}?dry_run=1", {"name": "x"}).status == 422
    assert web.browser("viewer").ask("PATCH", f"/api/sensors/{SENSOR}", {"name": "x"}).status == 403


@pytest.mark.parametrize("query", ["dry_run", "dry_run=", "dry_run=perhaps"])
def test_a_dry_run_that_cannot_be_read_is_not_carried_out(web: WebHouse, query: str) -> None:
    rows = [sensor_entry(2)]
    answer = web.browser("operator").post(f"/api/sensors/import?{query}", rows)
    assert (answer.status, answer.error["message"]) == (422, "dry_run must be true or false")


def test_every_fault_of_a_row_is_told(web: WebHouse) -> None:
    row = sensor_entry(2, shortAddr="1", bidi="yes") | {"nwKey": "00"}
    answer = web.browser("operator").post(
        "/api/sensors/import?dry_run=1", [row, {"eui": "x", "nwKey": "********"}]
    )
    assert answer.json()["wrong"] == 2
    found = [(each["row"], each["field"]) for each in answer.json()["errors"]]
    assert found[:3] == [(1, "nwKey"), (1, "shortAddr"), (1, "bidi")]
    assert {field for row, field in found if row == 2} >= {"eui", "shortAddr", "bidi"}


def test_wrong_entries_of_the_file_are_shown(web: WebHouse) -> None:
    browser = web.browser("operator")
    path = web.directory / "endpoints.json"
    good = sensor_entry(1)
    path.write_text(json.dumps([good, sensor_entry(2, shortAddr="1", nwKey="00")]))
    assert browser.post("/api/sensors/reload").status == 200
    [wrong] = browser.get("/api/sensors/wrong").json()["entries"]
    assert (wrong["entry"], wrong["eui"], wrong["used"]) == (2, "70B3D56770110002", False)
    assert "nwKey: must be 32" in wrong["problem"] and "shortAddr: must be 4" in wrong["problem"]
    assert browser.get("/api/bssci/status").json()["sensors"]["wrong"] == 1
    page, dashboard = (Document(browser.get(at).text).one("main").text for at in ("/sensors", "/"))
    assert "1 entry of endpoints.json cannot be used." in page
    assert "Entry 2 (70B3D56770110002): nwKey" in page
    assert "1 entry of endpoints.json cannot be used" in dashboard
    path.write_text(json.dumps([good]))
    assert browser.post("/api/sensors/reload").status == 200
    assert browser.get("/api/sensors/wrong").json()["entries"] == []
    assert "cannot be used" not in browser.get("/").text


def test_a_file_that_cannot_be_read_is_shown_until_it_can(web: WebHouse) -> None:
    browser = web.browser("operator")
    path = web.directory / "endpoints.json"
    text = path.read_text()
    path.write_text("[{")
    assert browser.post("/api/sensors/reload").status == 422
    assert "is not valid JSON" in browser.get("/api/sensors/wrong").json()["trouble"]
    assert "endpoints.json cannot be used in its present state" in browser.get("/").text
    path.write_text(text)
    assert browser.post("/api/sensors/reload").status == 200
    assert browser.get("/api/sensors/wrong").json()["trouble"] == ""


def test_the_status_counts_sensors_by_their_state(web: WebHouse) -> None:
    counted = web.browser("viewer").get("/api/bssci/status").json()["sensors"]
    assert counted == {
        **dict.fromkeys(("unknown", "wrong", "detached", "warning", "auto_detached", "refused"), 0),
        **dict.fromkeys(("total", "attached", "never_seen"), 1),
    }
