"""Status, settings, charts, events, log, audit, health, metrics and the description of the API."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from twisted.logger import LogEvent, Logger, formatEvent, globalLogPublisher

from bssci.model import StationState
from bssci.settings.groups import Values
from bssci.system import logs
from bssci.web.outside import Outside
from bssci.web.service import WebAdmin
from tests.support.journal import uplink
from tests.support.web import EPOCH, SENSOR, WebHouse
from tests.web.html import Document

STATION = "70B3D59CD0000001"


def test_status_under_both_names(web: WebHouse) -> None:
    browser = web.browser("viewer")
    status = browser.get("/api/bssci/status").json()
    assert status.keys() >= {"running", "base_stations", "sensors", "mqtt", "tls", "deduplication"}
    assert set(status["deduplication"]) >= {
        "total_messages",
        "duplicate_messages",
        "published_messages",
        "duplication_rate",
    }
    assert set(status["queue_statistics"]["mqtt"]) >= {
        "queued",
        "oldest_seconds",
        "delivered",
        "failed",
        "rate",
    }
    assert browser.get("/api/service/status").json().keys() == status.keys()


@pytest.mark.parametrize(
    ("listen", "ports"),
    [
        ({"listen-port": "16018,16017"}, [16018, 16017]),
        ({"listen": "systemd:domain=INET:index=0"}, ["systemd:domain=INET:index=0"]),
    ],
)
def test_status_says_where_base_stations_connect(
    make_web_house: Callable[..., WebHouse], listen: dict[str, str], ports: list[object]
) -> None:
    browser = make_web_house(**listen).browser("viewer")
    assert browser.get("/api/bssci/status").json()["tls"]["ports"] == ports


def test_the_dashboard_says_in_one_sentence_what_is_wrong(make_web_house: Callable[..., WebHouse]) -> None:
    listening = [True]
    web = make_web_house(outside=Outside(listening=lambda: listening[0]))
    browser = web.browser("viewer")
    health = browser.get("/api/dashboard").json()["health"]
    assert health["ok"] and "waits for its first base station" in health["sentence"]
    listening[0] = False
    health = browser.get("/api/dashboard").json()["health"]
    assert not health["ok"] and health["sentence"].startswith("Base stations cannot connect")
    assert health["problems"][0]["severity"] == "error"


def test_a_sink_that_cannot_deliver_is_named_wherever_one_looks(web: WebHouse) -> None:
    browser = web.browser("viewer")

    def look() -> tuple[object, ...]:
        status, dashboard = browser.get("/api/bssci/status").json(), browser.get("/api/dashboard").json()
        ready, metrics = browser.get("/readyz"), browser.get("/metrics").text
        [failing] = re.findall(r'^bssci_sink_failing{sink="mqtt"} (\S+)$', metrics, re.M)
        delivering = (status["mqtt"]["delivering"], ready.json()["sinks"]["mqtt"], float(failing))
        said = dashboard["health"]["sentence"], *[each["detail"] for each in dashboard["health"]["problems"]]
        return ready.status, delivering, dashboard["delivery"]["state"], *said

    well = (200, (True, True, 0.0), "ok", "The service is ready and waits for its first base station.")
    assert look() == well
    figures = web.center.deliveries.statistics()
    trouble = "not connected to broker.example:1883: nobody there"
    web.center.deliveries.statistics = lambda: {
        "mqtt": figures["mqtt"] | {"queued": 1, "failing": True, "trouble": trouble}
    }
    assert look() == (200, (False, False, 1.0), "error", "mqtt cannot deliver: 1 event buffered.", trouble)
    assert trouble in browser.get("/").text
    web.center.deliveries.statistics = lambda: {"mqtt": figures["mqtt"] | {"failing": True}}
    assert look() == (200, (False, False, 1.0), "error", "mqtt cannot deliver: 3 events buffered.", "")
    web.center.deliveries.statistics = lambda: figures
    assert look() == well


def test_connections_that_were_refused_are_counted_by_reason(
    make_web_house: Callable[..., WebHouse],
) -> None:
    refused = {"too_many": 1, "framing": 4}
    web = make_web_house(outside=Outside(refused_connections=lambda: refused))
    browser = web.browser("viewer")
    assert browser.get("/api/bssci/status").json()["tls"]["refused"] == refused
    metrics = browser.get("/metrics").text
    for reason, count in refused.items():
        assert f'bssci_station_connections_refused_total{{reason="{reason}"}} {count}.0' in metrics


@pytest.fixture
def free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else runs on this machine."""
    monkeypatch.setattr("bssci.settings.trial.cannot_listen", lambda host, port: None)


@pytest.mark.usefixtures("free_ports")
def test_settings_are_changed_all_or_none(web: WebHouse) -> None:
    browser = web.browser("admin")
    before = (web.directory / ".env").exists()
    wrong = browser.post("/api/config", {"DEDUPLICATION_DELAY": 1, "STATUS_INTERVAL": "often"})
    assert wrong.status == 422 and wrong.error["field"] == "STATUS_INTERVAL"
    together = browser.post("/api/config", {"AUTO_DETACH_WARNING_TIMEOUT": 10**8})
    assert together.status == 422 and together.error["field"] == "AUTO_DETACH_WARNING_TIMEOUT"
    assert browser.post("/api/config", {"COLOUR": "red"}).error["field"] == "COLOUR"
    assert browser.post("/api/config", {"LISTEN_PORT": {"a": 1}}).error["field"] == "LISTEN_PORT"
    assert (web.directory / ".env").exists() == before
    dry = browser.post("/api/config?dry_run=1", {"settings": {"STATUS_INTERVAL": 60}}).json()
    assert dry["changes"] == [{"name": "STATUS_INTERVAL", "before": 300.0, "after": 60.0, "restart": False}]
    assert web.center.registry.status_interval == 300
    done = browser.post("/api/config", {"STATUS_INTERVAL": 60, "LISTEN_PORT": [16018, 16017]}).json()
    assert done["needs_restart"] == ["LISTEN_PORT"]
    assert web.center.registry.status_interval == 60
    assert (web.directory / ".env").stat().st_mode & 0o777 == 0o600
    targets = [target for _, action, target in web.audit() if action == "config.change"]
    assert sorted(targets) == ["LISTEN_PORT", "STATUS_INTERVAL"]


def test_a_masked_secret_stays_and_a_new_one_is_not_written_down(web: WebHouse) -> None:
    browser = web.browser("admin")
    secret = {"MQTT_USERNAME": "me", "MQTT_PASSWORD": "topsecret"}
    assert "topsecret" not in browser.post("/api/config", secret).text
    assert browser.post("/api/config", {"MQTT_PASSWORD": "********", "MQTT_PORT": 1884}).status == 200
    assert web.configuration.current.value("MQTT_PASSWORD") == "topsecret"
    for path in ("/api/audit", "/api/config", "/config", "/audit", "/api/logs"):
        assert "topsecret" not in browser.get(path).text


def test_the_broker_is_tried_with_settings_that_are_not_saved(
    make_web_house: Callable[..., WebHouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def try_broker(values: Values, prefix: str, connects: object) -> str:
        tried.append(values[f"{prefix}BROKER"])
        return "no answer"

    monkeypatch.setattr("bssci.mqtt.settings.try_broker", try_broker)
    web = make_web_house()
    answer = web.browser("admin").post("/api/config/test/mqtt", {"MQTT_BROKER": "broker.test"})
    assert answer.json()["ok"] is False and answer.json()["lines"][0]["text"] == "no answer"
    assert tried == ["broker.test"]
    assert web.configuration.current.value("MQTT_BROKER") == "localhost"


def test_only_groups_with_another_side_are_tried(make_web_house: Callable[..., WebHouse]) -> None:
    assert make_web_house().browser("admin").post("/api/config/test/log", {}).status == 404


@pytest.mark.parts
@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("WEB_HOST", "192.0.2.77", "is not an address of this machine"),
        ("LISTEN_HOST", "192.0.2.77", "is not an address of this machine"),
        ("MQTT_CA_FILE", "absent.pem", "does not exist"),
        ("SINKS", "log,paper", "no sink 'paper'"),
        ("LOG_FILE", "/dev", "is a directory"),
    ],
)
def test_what_would_refuse_the_next_start_is_refused(
    web: WebHouse, name: str, value: str, reason: str
) -> None:
    browser = web.browser("admin")
    for path in ("/api/config?dry_run=1", "/api/config"):
        error = browser.post(path, {"STATUS_INTERVAL": 60, name: value}).error
        assert error["field"] == name and reason in error["message"]
        assert error["message"].count(name) == 1 + (name == "MQTT_CA_FILE")
    assert web.configuration.current.status_interval == 300


def test_files_that_do_not_fit_are_refused(web: WebHouse) -> None:
    browser, certs = web.browser("admin"), web.directory / "certs"
    absent = {"WEB_CERT_FILE": str(certs / "absent.pem"), "WEB_KEY_FILE": str(certs / "server_key.pem")}
    error = browser.post("/api/config?dry_run=1", absent).error
    assert error["field"] == "WEB_CERT_FILE" and "does not exist" in error["message"]
    swapped = {"MQTT_CERT_FILE": str(certs / "ca.pem"), "MQTT_KEY_FILE": str(certs / "server_key.pem")}
    error = browser.post("/api/config?dry_run=1", swapped).error
    assert error["field"] == "MQTT_KEY_FILE" and "is not the key of" in error["message"]
    right = {"MQTT_CERT_FILE": str(certs / "server.pem"), "MQTT_KEY_FILE": str(certs / "server_key.pem")}
    assert browser.post("/api/config?dry_run=1", right).status == 200


def test_a_look_back_into_the_journal(web: WebHouse) -> None:
    web.happen(uplink(1), StationState(at=EPOCH, base_station_eui=STATION, state="online"), uplink(2))
    browser = web.browser("viewer")
    assert [each["kind"] for each in browser.get("/api/events").json()["events"]] == [
        "uplink",
        "station-state",
        "uplink",
    ]
    found = browser.get("/api/events?kind=uplink&limit=1").json()
    assert found["events"][0]["cnt"] == 2
    earlier = browser.get(f"/api/events?kind=uplink&before={found['next']}").json()
    assert [each["cnt"] for each in earlier["events"]] == [1] and earlier["next"] is None
    one = browser.get(f"/api/events/{found['events'][0]['seq']}").json()
    assert one["sinks"] == {"mqtt": "waiting"} and one["late_copies"] == 0
    assert browser.get("/api/events/999").status == 404


def test_a_search_of_the_journal_goes_on_where_it_stopped(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bssci.web.reports.history.SLICE", 2)
    monkeypatch.setattr("bssci.web.reports.history.SLICES", 2)
    web.happen(*[uplink(number) for number in (501, 502, 1, 2, 3, 4, 5, 503, 504)])
    browser = web.browser("viewer")
    found, before, answers = [], "", 0
    while before is not None:
        answer = browser.get(f"/api/events?q=UPLINK+50&limit=1{before and f'&before={before}'}").json()
        found += [each["cnt"] for each in answer["events"]]
        before, answers = answer["next"], answers + 1
    assert found == [504, 503, 502, 501]
    assert answers <= 6


def test_the_log_has_levels_filters_and_a_bound(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bssci.system.logs._predicate", logs._predicate)
    book = web.admin.context.logbook
    book.start()
    try:
        log = Logger(namespace="bssci.test")
        log.info("first {n}", n=1)
        log.warn("Second line")
        log.debug("not to be seen")
        Logger(namespace="other").error("third")
    finally:
        book.stop()
    browser = web.browser("operator")
    texts = [line["text"] for line in browser.get("/api/logs").json()["lines"]]
    assert texts == ["third", "Second line", "first 1"]
    assert len(browser.get("/api/logs?level=warn").json()["lines"]) == 2
    assert len(browser.get("/api/logs?logger=bssci").json()["lines"]) == 2
    assert len(browser.get("/api/logs?q=SECOND").json()["lines"]) == 1
    assert len(browser.get("/api/logs?limit=1").json()["lines"]) == 1
    assert browser.get("/api/logs?level=loud").error["field"] == "level"


def test_the_audit_log_is_paged_and_filtered(web: WebHouse) -> None:
    admin, operator = web.browser("admin"), web.browser("operator")
    operator.post("/api/sensors/reload")
    entries = admin.get("/api/audit?limit=2").json()
    assert [each["action"] for each in entries["entries"]] == ["sensor.reload", "login"]
    assert entries["entries"][0]["who"] == "operator"
    assert entries["entries"][0]["address"] == "192.0.2.7"
    assert len(admin.get(f"/api/audit?before={entries['next']}").json()["entries"]) == 1
    assert len(admin.get("/api/audit?action=login&who=admin").json()["entries"]) == 1
    assert admin.get("/api/audit?limit=3").json()["next"] is None  # there are three
    admin.patch(f"/api/sensors/{SENSOR}", {"name": "Boiler"})
    for path in (f"/api/audit?q={SENSOR}", "/api/audit?q=boiler"):
        assert [each["action"] for each in admin.get(path).json()["entries"]] == ["sensor.update"]
    assert "No entry matches" in admin.get("/audit?q=nothing+of+this").text
    assert "→ Boiler" in admin.get("/audit?q=boiler").text


def test_the_page_of_the_audit_log_leads_to_what_was_changed_unless_it_was_deleted(web: WebHouse) -> None:
    admin = web.browser("admin")
    admin.patch(f"/api/sensors/{SENSOR}", {"name": "Boiler"})
    admin.post("/api/config", {"DEDUPLICATION_DELAY": "3"})
    admin.delete(f"/api/sensors/{SENSOR}")
    page = Document(admin.get("/audit").text)
    targets = {
        action: [link["href"] for link in page.all("a") if link.within("tr") is row]
        for row in page.all("tr")
        for action in ("Delete a sensor", "Change a sensor", "Change a setting")
        if action in row.text
    }
    assert targets == {
        "Delete a sensor": [],
        "Change a sensor": [f"/sensors/{SENSOR}"],
        "Change a setting": ["/config#DEDUPLICATION_DELAY"],
    }


def test_the_page_of_the_audit_log_marks_what_failed(web: WebHouse) -> None:
    web.sensors_file.write_text("[ half an ed")
    assert web.browser("operator").post("/api/sensors/reload").status == 422
    shown = web.browser("admin").get("/audit").text
    assert 'Read the file of sensors again <span class="state error">failed</span>' in shown


def test_the_set_up_link_is_not_on_the_log_page(
    make_web_house: Callable[..., WebHouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    web = make_web_house()
    web.file.path.unlink()
    web.crash()
    monkeypatch.setattr(WebAdmin, "url", "http://service.test/")
    said: list[str] = []

    def hear(event: LogEvent) -> None:
        said.append(formatEvent(event))

    globalLogPublisher.addObserver(hear)
    web.admin.start()
    globalLogPublisher.removeObserver(hear)
    program = web.browser()
    program.token = web.file.create_token("robot", "viewer")
    secret = web.admin.guard.setup_secret
    assert any(f"/setup?token={secret}" in line for line in said)
    assert secret not in program.get("/api/logs").text


def test_every_wrong_setting_is_named_at_once(web: WebHouse) -> None:
    wrong = {"DEDUPLICATION_DELAY": "x", "LOG_LEVEL": "loud", "NOPE": 1, "STATUS_INTERVAL": 60}
    answer = web.browser("admin").post("/api/config", wrong)
    assert answer.status == 422
    assert [each["field"] for each in answer.error["errors"]] == ["DEDUPLICATION_DELAY", "LOG_LEVEL", "NOPE"]
    assert "a number from 0 to 60" in answer.error["message"]
    assert web.configuration.current.status_interval == 300
