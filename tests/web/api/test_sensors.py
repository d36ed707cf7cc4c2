"""Sensors by the API: list, details, change."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import ensureDeferred

from bssci.center.silence.standing import Standing
from bssci.model import Uplink
from bssci.settings.rows import MASK
from tests.support.center import STATION, Line, result_of
from tests.support.journal import reception
from tests.support.web import EPOCH, KEY, SENSOR, WebHouse, sensor_entry
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


def test_a_file_that_cannot_be_reloaded_changes_nothing(web: WebHouse) -> None:
    (web.directory / "endpoints.json").write_text("[{]")
    answer = web.browser("operator").post("/api/sensors/reload")
    assert answer.status == 422 and "endpoints.json" in answer.error["message"]
    assert len(web.center.sensors) == 1


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


def test_the_status_warning_lists_all_that_are_silent(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    pending = Standing("auto-detach pending", 100.0, 0.0)
    monkeypatch.setattr(web.center.silence, "state", lambda eui: pending.state)
    monkeypatch.setattr(web.center.silence, "standing", lambda eui: pending)
    browser = web.browser("viewer")
    listed = browser.get("/api/sensors?status=warning").json()
    assert listed["matching"] == listed["counts"]["warning"] == 1
    asked = ensureDeferred(web.admin.views.status.dashboard())
    web.advance(1)
    dashboard = result_of(asked)
    assert dashboard["sensors"]["warning"] == 1
    assert {"/sensors?status=warning"} <= {each["href"] for each in dashboard["health"]["problems"]}


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
    assert details["sensor.update"] == "nwKey; name: – → Cellar"
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


def test_every_wrong_field_of_a_command_is_told_at_once(web: WebHouse) -> None:
    operator = web.browser("operator")
    for path, wrong in (
        ("/api/sensors", {"eui": SENSOR, "name": "\0", "tags": ["\0"], "location": {"lat": 48.1}}),
        (f"/api/sensors/{SENSOR}/downlink", {"data": "0", "format": 256, "prio": "x"}),
    ):
        answer = operator.post(path, wrong)
        told = {each["field"] for each in answer.error["errors"]}
        assert answer.status == 422 and told == wrong.keys() - {"eui"}


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


def test_a_selection_is_edited_as_one_change_after_a_trial(make_web_house: Callable[..., WebHouse]) -> None:
    web = make_web_house(sensors=3)
    browser, euis = web.browser("operator"), [sensor_entry(number)["eui"] for number in (1, 2, 3)]
    browser.patch(f"/api/sensors/{euis[0]}", {"tags": ["roof"], "interval": 900})
    browser.post("/api/sensors/bulk", {"action": "detach", "sensors": [euis[1]]})
    body = {"sensors": euis, "add_tags": ["roof"], "interval": 900.0}
    before = web.audit()
    tried = browser.patch("/api/sensors?dry_run=1", body).json()
    assert tried == {"success": True, "sensors": 3, "changed": 2, "dry_run": True}
    assert web.audit() == before and web.center.sensors.get(euis[1]).tags == ()
    done = browser.patch("/api/sensors", body).json()
    assert (done["changed"], done["dry_run"]) == (2, False)
    assert {(sensor.tags, sensor.interval) for sensor in web.center.sensors} == {(("roof",), 900.0)}
    assert json.loads(web.sensors_file.read_text())[2]["tags"] == ["roof"]
    assert not web.center.attachments.is_attached(euis[1])
    entry = web.browser("admin").get("/api/audit?action=sensor.edit").json()["entries"]
    assert [each["detail"] for each in entry] == [
        f"add tags roof; interval 900 s; 2 sensors: {euis[1]}, {euis[2]}"
    ]
    assert browser.patch("/api/sensors", body).json()["changed"] == 0
    assert len(web.browser("admin").get("/api/audit?action=sensor.edit").json()["entries"]) == 1


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"add_tags": ["a"]}, 422, "sensors"),
        ({"sensors": [], "add_tags": ["a"]}, 422, "sensors"),
        ({"sensors": ["x"], "add_tags": ["a"]}, 422, "sensors"),
        ({"sensors": [SENSOR]}, 422, "add_tags"),
        ({"sensors": [SENSOR], "name": "x"}, 422, "name"),
        ({"sensors": [SENSOR], "add_tags": ["a"], "dry_run": True}, 422, "dry_run"),
        ({"sensors": [SENSOR], "add_tags": [f"t{number}" for number in range(50)]}, 422, "add_tags"),
        ({"sensors": [SENSOR, "70B3D56770119999"], "add_tags": ["a"]}, 404, "eui"),
    ],
)
def test_an_edit_of_a_selection_that_is_wrong_changes_nothing(
    web: WebHouse, body: dict[str, Any], status: int, field: str
) -> None:
    browser = web.browser("operator")
    browser.patch(f"/api/sensors/{SENSOR}", {"tags": ["kept"]})
    answer = browser.patch("/api/sensors", body)
    assert (answer.status, answer.error["field"]) == (status, field)
    assert web.center.sensors.get(SENSOR).tags == ("kept",)
    if status == 404:
        assert answer.json()["unknown"] == ["70B3D56770119999"]
    assert web.browser("viewer").patch("/api/sensors", body).status == 403
