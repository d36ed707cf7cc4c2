"""Base stations in the list and on their pages: those that are here, that went, that never quite came."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bssci.certificates import bundles
from bssci.stations.causes import BLOCKED
from bssci.wire.messages import Error, Ping, Status, StatusRsp
from tests.support.center import Line
from tests.support.web import WebHouse
from tests.web.html import Document

STATION = "CAFE000000000001"


@pytest.fixture
def line(web: WebHouse, tmp_path: Path) -> Line:
    """A base station's link, with a certificate that the authority of ``web`` signed."""
    list(bundles.make_station(web.directory / "certs" / "ca.pem", tmp_path, STATION, datetime.now(UTC)))
    pem = (tmp_path / STATION / "station_cert.pem").read_bytes()
    line = Line(web)
    line.certificate = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    return line


def listed(web: WebHouse) -> dict[str, Any]:
    [row] = web.browser("viewer").get("/api/base_stations").json()["base_stations"]
    detail = web.browser("viewer").get(f"/api/base_stations/{STATION}").json()
    assert {name: detail[name] for name in row} == row
    return row


def shown(web: WebHouse) -> list[str]:
    """What people see of it, in the list and on its page."""
    browser = web.browser("viewer")
    return [
        Document(browser.get(path).text).one("main").text for path in ("/stations", f"/stations/{STATION}")
    ]


@pytest.mark.parametrize("restart", [False, True])
def test_what_a_station_reported_last_is_shown_after_it_went(
    web: WebHouse, line: Line, restart: bool
) -> None:
    line.connect()
    web.advance(1)
    [request] = line.take(Status)
    line.say(StatusRsp(opId=request.opId, code=0, temp=21.5, geoLocation=[51.0, 13.5, 100.0]))
    at = web.now()
    line.lose()
    if restart:
        web.crash()
        web.advance(60)
    gone = listed(web)
    assert (gone["temperature"], gone["latitude"], gone["status_at"]) == (21.5, 51.0, at)


@pytest.mark.parametrize("restart", [False, True])
def test_a_station_that_went_is_shown_with_address_and_certificate(
    web: WebHouse, line: Line, restart: bool
) -> None:
    line.connect()
    here = listed(web)
    assert (here["state"], here["address"]) == ("online", line.peer)
    assert here["certificate"]["subject"] == f"CN={STATION}" and here["certificate"]["days_left"] > 1800
    web.advance(60)
    line.lose()
    left_at = web.now()
    if restart:
        web.crash()
        web.advance(60)
    gone = listed(web)
    assert (gone["state"], gone["since"], gone["reason"]) == ("offline", left_at, "cable cut")
    assert (gone["address"], gone["certificate"]) == (here["address"], here["certificate"])
    for text in shown(web):
        assert line.peer in text and "cable cut" in text
        assert f"{here['certificate']['days_left']}" in text.replace("\N{NARROW NO-BREAK SPACE}", "")
    certificates = Document(web.browser("viewer").get("/certificates").text).one("main").text
    assert f"CN={STATION}" in certificates


@pytest.mark.parametrize("restart", [False, True])
def test_a_station_that_left_while_connecting_says_when_and_why(
    web: WebHouse, line: Line, restart: bool
) -> None:
    began_at = web.now()
    line.begin()
    web.advance(5)
    coming = listed(web)
    assert (coming["state"], coming["since"], coming["reason"]) == ("connecting", began_at, "")
    assert coming["address"] == line.peer
    line.lose()
    left_at = web.now()
    if restart:
        web.crash()
        web.advance(5)
    gone = listed(web)
    assert (gone["state"], gone["since"], gone["reason"]) == ("offline", left_at, "cable cut")
    for text in shown(web):
        assert "cable cut" in text
    assert gone["since"] > began_at


def test_a_new_try_of_a_station_that_went_does_not_show_why_it_went(web: WebHouse, line: Line) -> None:
    line.connect()
    line.lose()
    web.advance(60)
    again = Line(web)
    again.begin()
    coming = listed(web)
    assert (coming["state"], coming["since"], coming["reason"]) == ("connecting", web.now(), "")
    assert coming["certificate"] is None


def test_a_certificate_that_has_ended_is_called_so(web: WebHouse, line: Line) -> None:
    line.connect()
    line.say(Ping(opId=1))
    line.lose()
    web.advance(86400.0 * 365 * 20)
    assert listed(web)["certificate"]["days_left"] < 0
    for text in shown(web):
        assert "expired" in text and "\N{MINUS SIGN}" not in text


def test_a_station_is_forgotten_by_an_administrator(web: WebHouse, line: Line) -> None:
    line.connect()
    path = f"/api/base_stations/{STATION}"
    assert web.browser("operator").delete(path).status == 403
    assert web.browser("admin").delete(path).json() == {"success": True}
    assert web.browser("viewer").get("/api/base_stations").json()["base_stations"] == []
    assert ("admin", "station.forget", STATION) in web.audit()
    assert web.browser("admin").delete(path).status == 404


def test_protocol_errors_are_counted_by_station_and_code_and_stand_in_its_timeline(
    web: WebHouse, line: Line
) -> None:
    line.connect()
    web.advance(1)
    line.say(Ping(opId=5), Ping(opId=5), Error(opId=-1, code=95, message="no status here"))
    browser = web.browser("viewer")
    detail = browser.get(f"/api/base_stations/{STATION}").json()
    expected = [("received", "95", 1), ("sent", "71", 1)]
    assert [(each["direction"], each["code"], each["count"]) for each in detail["errors"]] == expected
    problems = [each for each in detail["timeline"] if each["kind"] == "station-problem"]
    assert {each["code"] for each in problems} == {71, 95}
    page = Document(browser.get(f"/stations/{STATION}").text).one("main").text
    assert "1 × 95 from it, 1 × 71 sent to it" in page
    assert "The base station refused a message: no status here, code 95" in page
    metrics = browser.get("/metrics").text
    for direction, code, count in expected:
        labels = f'code="{code}",direction="{direction}",station="{STATION}"'
        assert f"bssci_station_errors_total{{{labels}}} {count}.0" in metrics


def test_who_only_registers_changes_no_station_that_is_there(web: WebHouse) -> None:
    admin = web.browser("admin")
    path, body = "/api/base_stations?only_new=1", {"eui": STATION, "name": "Roof 7"}
    assert admin.post(path, body).status == 200
    again = admin.post(path, {"eui": STATION, "name": "Roof 8"})
    assert (again.status, again.error["code"], again.error["field"]) == (409, "conflict", "eui")
    assert listed(web)["name"] == "Roof 7"


def test_a_station_is_registered_ahead_changed_and_found_by_every_door(web: WebHouse) -> None:
    admin = web.browser("admin")
    body = {"eui": "cafe-0000-0000-0001", "name": "Roof 7", "location": {"text": "Hall"}, "tags": ["a"]}
    body["eui"] = "CA:FE:00:00:00:00:00:01"
    assert admin.post("/api/base_stations", body).json() == {
        "success": True,
        "eui": STATION,
        "created": True,
    }
    row = listed(web)
    assert (row["state"], row["name"], row["location"], row["tags"]) == (
        "expected",
        "Roof 7",
        {"text": "Hall"},
        ["a"],
    )
    for text in shown(web):
        assert "not seen yet" in text and "Roof 7" in text
    patched = admin.ask("PATCH", f"/api/base_stations/{STATION}", {"note": "ask Kim", "blocked": True})
    assert patched.json()["success"] is True
    assert web.browser("viewer").get("/api/base_stations").json()["counts"]["blocked"] == 1
    row = listed(web)
    assert (row["note"], row["blocked"], row["blocked_by"], row["name"]) == (
        "ask Kim",
        True,
        "admin",
        "Roof 7",
    )
    assert ("admin", "station.block", STATION) in web.audit()
    assert admin.delete(f"/api/base_stations/{STATION}").status == 409
    assert web.browser("operator").post("/api/base_stations", body).status == 403
    other = admin.ask("PATCH", "/api/base_stations/CAFE000000000099", {"name": "x"})
    assert other.status == 404
    assert admin.post("/api/base_stations", {"eui": STATION, "tags": "x"}).error["field"] == "tags"
    web.crash()
    assert listed(web)["blocked"] is True


def test_stations_come_and_go_by_file(web: WebHouse) -> None:
    admin = web.browser("admin")
    text = b"eui,name,blocked\nCAFE000000000001,Roof,\nCAFE000000000002,Cellar,true\n"
    trial = admin.post("/api/base_stations/import?dry_run=1", text, content_type="text/csv").json()
    assert (trial["dry_run"], trial["added"], trial["changed"]) == (True, 2, 0)
    assert web.browser("viewer").get("/api/base_stations").json()["total"] == 0
    done = admin.post("/api/base_stations/import", text, content_type="text/csv").json()
    assert (done["success"], done["added"]) == (True, 2)
    exported = web.browser("viewer").get("/api/base_stations/export?format=csv")
    again = admin.post("/api/base_stations/import?dry_run=1", exported.body, content_type="text/csv").json()
    assert (again["rows"], again["changed"], again["unchanged"], again["wrong"]) == (2, 0, 2, 0)
    for query, euis in (
        ("q=roof", ["CAFE000000000001"]),
        ("state=blocked", ["CAFE000000000002"]),
        ("q=CA-FE-00&state=expected", ["CAFE000000000001"]),
        ("q=attic", []),
    ):
        chosen = web.browser("viewer").get(f"/api/base_stations/export?{query}").json()
        assert [each["eui"] for each in chosen] == euis, query
    other = exported.body.replace(b"Roof", b"Tower")
    again = admin.post("/api/base_stations/import?dry_run=1", other, content_type="text/csv").json()
    assert (again["added"], again["changed"], again["unchanged"]) == (0, 1, 1)
    wrong = admin.post("/api/base_stations/import", b"eui\nx\n", content_type="text/csv")
    assert wrong.status == 422 and "row 2" in wrong.error["message"]


def test_a_refusal_says_what_to_do(web: WebHouse) -> None:
    web.center.refused_stations.add("192.0.2.9", BLOCKED, STATION)
    [refused] = web.browser("viewer").get("/api/base_stations").json()["refused"]
    assert (refused["reason"], refused["station"], refused["count"]) == ("it is blocked", STATION, 1)
    text = Document(web.browser("viewer").get("/stations").text).one("main").text
    assert "it is blocked" in text and "unblock it on its page" in text
