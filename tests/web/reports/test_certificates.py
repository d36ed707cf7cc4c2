from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bssci.certificates.store import CertificateStore
from bssci.web.reports.certificates import HOUR, by_end
from tests.support.web import WebHouse
from tests.web.reports.dashboards import NOW, STATION_NAME, dashboard, tiles


@pytest.mark.parametrize(
    ("ends", "name", "days", "href"),
    [
        ({"server": 300.0}, "Service center", 300, "/certificates"),
        ({"server": 300.0, "station": 40.0}, f"Base station {STATION_NAME}", 40, f"/stations/{STATION_NAME}"),
        ({"server": 300.0, "bundle": 50.0}, f"Base station {STATION_NAME}", 50, "/certificates"),
        # What the station shows counts, not what it was once given.
        ({"server": 300.0, "station": 400.0, "bundle": 5.0}, "Service center", 300, "/certificates"),
    ],
)
def test_the_next_certificate_to_end_is_named_and_leads_to_it(
    web: WebHouse, dated: Callable[..., None], ends: dict[str, float], name: str, days: int, href: str
) -> None:
    dated(**ends)
    certificate = dashboard(web)["certificate"]
    assert (certificate["name"], certificate["days_left"], certificate["href"]) == (name, days, href)
    assert tiles(web)["Next certificate to expire"] == href
    assert name in web.browser("viewer").get("/").text


@pytest.mark.parametrize(
    ("state", "shown", "bundle", "counts"),
    [
        ("online", 5, 900, 5),
        ("offline", 5, 900, 900),
        ("offline", -31, None, None),
    ],
)
def test_what_a_station_that_went_had_shown_does_not_count_for_ever(
    state: str, shown: int, bundle: int | None, counts: int | None
) -> None:
    def ending(days: int) -> dict[str, Any]:
        return {"not_after": NOW + days * 86400.0, "days_left": days}

    row = {"eui": STATION_NAME, "name": None, "state": state, "blocked": False, "certificate": ending(shown)}
    inventory = [] if bundle is None else [{"file": f"station:{STATION_NAME}"} | ending(bundle)]
    found = [each["days_left"] for each in by_end(inventory, [row], NOW)]
    assert found == ([] if counts is None else [counts])
    assert STATION_NAME not in {each["name"] for each in by_end([], [row | {"blocked": True}], NOW)}


def test_handshakes_are_tried_again_when_a_file_or_the_hour_has_changed(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[float] = []
    problems = CertificateStore.problems

    def counted(store: CertificateStore) -> tuple[list[str], list[str]]:
        tried.append(web.now())
        return problems(store)

    monkeypatch.setattr(CertificateStore, "problems", counted)
    browser = web.browser("viewer")

    def errors() -> list[str]:
        told: list[str] = browser.get("/api/certificates/status").json()["errors"]
        return told

    assert errors() == errors() == []
    assert len(tried) == 1
    (web.directory / "certs" / "server_key.pem").unlink()
    assert "server_key.pem" in errors()[0]
    assert errors() and len(tried) == 2
    web.clock.advance(HOUR)
    assert errors() and len(tried) == 3
