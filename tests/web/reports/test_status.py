"""The dashboard: what its sentence says, and where its tiles and problems lead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bssci.certificates.store import CertificateStore
from bssci.model import EUI
from tests.support.center import STATION, Line
from tests.support.journal import uplink
from tests.support.telegrams import telegram
from tests.support.web import SENSOR, WebHouse
from tests.web.html import Document
from tests.web.reports.dashboards import STATION_NAME, dashboard, tiles


def rows(web: WebHouse, path: str) -> list[str]:
    answer = web.browser("viewer").get(path)
    assert answer.status == 200
    return [each["data-key"] for each in Document(answer.text).all("tr") if each["data-key"]]


def test_certificates_are_read_and_not_tried_out(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(CertificateStore, "problems")  # some ms of handshakes
    assert dashboard(web)["certificate"]["days_left"] > 0


def test_each_tile_leads_to_what_it_counts(web: WebHouse) -> None:
    merged = uplink(2)
    copies = [merged.receptions[0]] * 3
    several = web.happen(
        type(merged)(at=merged.at, id="m", known=True, receptions=copies, duplicates=2), uplink(1)
    )
    lines = [Line(web, STATION + number) for number in range(2)]
    for line in lines:
        line.connect()
    leads = tiles(web)
    assert rows(web, leads["Base stations"]) == [f"{line.eui:016X}" for line in lines]
    assert rows(web, leads["Sensors attached"]) == [SENSOR]
    assert rows(web, leads["Silent sensors"]) == []
    assert leads["Unknown sensors"] == "/sensors/unknown"
    assert rows(web, leads["Uplinks"]) == [str(several + 1), str(several)]
    assert rows(web, leads["Duplicates merged"]) == [str(several)]
    assert leads["Delivery"] == "/#sinks"
    lines[0].lose()
    assert rows(web, tiles(web)["Base stations"]) == [STATION_NAME]


@pytest.mark.parametrize(
    ("name", "figures", "href"),
    [
        ("mqtt", {"failing": True}, "/config#MQTT_BROKER"),
        ("mqtt", {"failing": False, "oldest_seconds": 301.0}, "/#sinks"),
        ("mqtt", {"warning": "nothing is deleted"}, "/logs?level=warn&q=mqtt"),
        ("paper & ink", {"failing": True}, "/logs?level=warn&q=paper+%26+ink"),
    ],
)
def test_a_sink_that_is_not_well_leads_to_where_that_is_mended(
    web: WebHouse, name: str, figures: dict[str, Any], href: str
) -> None:
    [well] = web.center.deliveries.statistics().values()
    web.center.deliveries.statistics = lambda: {name: well | figures}
    [problem] = dashboard(web)["health"]["problems"]
    assert problem["href"] == href
    assert href.replace("&", "&amp;") in web.browser("viewer").get("/").text


def test_first_steps_are_over_once_they_were_taken(web: WebHouse) -> None:
    def broker_is_set(**figures: Any) -> bool:
        web.center.deliveries.statistics = lambda: {"mqtt": well | figures}
        [done] = [each["done"] for each in dashboard(web)["guide"] if each["title"] == "Delivery"]
        return bool(done)

    [well] = web.center.deliveries.statistics().values()
    last = web.happen(uplink(1))
    assert broker_is_set(failing=False, queued=last)
    assert not broker_is_set(failing=True, queued=last)
    assert broker_is_set(failing=True, queued=last - 1)


# certificates


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ({"server": 31.0, "station": 31.0}, []),
        ({"server": 5.0}, [("warning", "Service center: the certificate expires in 5 days")]),
        ({"server": 1.0}, [("warning", "Service center: the certificate expires in 1 day")]),
        ({"server": 0.0}, [("warning", "Service center: the certificate expires today")]),
        (
            {"server": 5.0, "station": 3.0},
            [
                ("warning", "Service center: the certificate expires in 5 days"),
                ("warning", f"Base station {STATION_NAME}: the certificate expires in 3 days"),
            ],
        ),
    ],
)
def test_certificates_that_end_soon_are_problems(
    web: WebHouse, dated: Callable[..., None], ends: dict[str, float], said: list[tuple[str, str]]
) -> None:
    dated(**ends)
    problems = dashboard(web)["health"]["problems"]
    assert [(each["severity"], each["text"]) for each in problems if "certificate" in each["text"]] == said


def test_a_certificate_that_has_ended_is_an_error_and_ours_comes_first(
    web: WebHouse, dated: Callable[..., None]
) -> None:
    dated(server=100.0, station=2.0)
    second = Line(web, STATION + 1)
    station = web.center.stations.get(EUI(STATION_NAME))
    assert station is not None and station.record.certificate is not None
    second.certificate = station.record.certificate
    second.connect()
    web.advance(3 * 86400.0)
    health = dashboard(web)["health"]
    assert health["problems"] == [
        {
            "severity": "error",
            "text": f"Base station {STATION_NAME}: the certificate has expired, and 1 more within 30 days",
            "href": "/certificates",
            "detail": "",
        }
    ]
    assert health["sentence"].startswith(f"Base station {STATION_NAME}: the certificate has expired")
    web.advance(100 * 86400.0)
    health = dashboard(web)["health"]
    assert health["sentence"] == "Service center: the certificate has expired; 1 more problem."
    assert "It has expired" in web.browser("viewer").get("/").text


def test_scanners_and_devices_are_counted_where_there_are_any(web: WebHouse) -> None:
    browser = web.browser("viewer")
    assert "Scanners" not in browser.get("/").text and "Other devices" not in browser.get("/").text
    web.center.gateways.heard([telegram(device="scanner:roof", envelope={"status": "online"})])
    web.center.devices.heard([telegram(2, device="ble:AA:BB:CC:DD:EE:01")])
    told = dashboard(web)
    assert told["gateways"]["scanner"] == {"online": 1, "degraded": 0, "offline": 0}
    assert (told["devices"]["known"], told["devices"]["unknown"]) == (0, 1)
    page = Document(browser.get("/").text)
    tiles = {each["data-key"]: " ".join(each.text.split()) for each in page.all("a") if each["data-key"]}
    assert tiles["scanner"] == "Scanners 1 of 1 online all online" and "controller" not in tiles
    assert tiles["devices"] == "Other devices 0 known 1 unknown"
