"""Replays by HTTP: what is asked for, who may, and what the audit log has."""

from __future__ import annotations

from typing import Any

import pytest

from bssci.center.replays import ReplayRequest
from bssci.model.commands import CommandError
from tests.support.web import WebHouse

STANDS: dict[str, Any] = {
    "id": 3,
    "sink": "postgres",
    "from": 1_700_000_000.0,
    "to": 1_700_003_600.0,
    "devices": [],
    "state": "running",
    "progress": 0.5,
    "delivered": 12,
    "trouble": "",
    "asked_by": "admin",
    "asked_at": 1_700_010_000.0,
    "ended_at": None,
}


class Replays:
    """Writes down what is asked for."""

    def __init__(self) -> None:
        self.begun: list[ReplayRequest] = []
        self.cancelled: list[int] = []

    async def begin(self, request: ReplayRequest, by: str) -> dict[str, Any]:
        self.begun.append(request)
        if request.sink == "log":
            raise CommandError("invalid", "the sink log takes no replays", "sink")
        return STANDS

    async def cancel(self, number: int) -> dict[str, Any]:
        self.cancelled.append(number)
        if number != 3:
            raise CommandError("unknown_replay", f"there is no replay {number}", "id")
        return STANDS | {"state": "cancelled"}

    def sinks(self) -> dict[str, bool]:
        return {"postgres": False, "mqtt": True}

    def listed(self) -> list[dict[str, Any]]:
        return [STANDS]


@pytest.fixture
def replays(web: WebHouse) -> Replays:
    replays = Replays()
    object.__setattr__(web.outside, "replays", replays)
    return replays


ASKED = {"sink": "postgres", "from": "2023-11-14T22:13:20Z", "to": 1_700_003_600}


def test_a_replay_is_asked_for_listed_and_cancelled(web: WebHouse, replays: Replays) -> None:
    admin = web.browser("admin")
    devices = ["70b3d56770111505", "ble:aabbccddeeff", "mioty:70B3D56770111505"]
    begun = admin.post("/api/replays", ASKED | {"devices": devices})
    assert begun.status == 200, begun.text
    assert begun.json() == {"success": True, "replay": STANDS}
    assert replays.begun == [
        ReplayRequest(
            "postgres",
            1_700_000_000.0,
            1_700_003_600.0,
            ("mioty:70B3D56770111505", "ble:AA:BB:CC:DD:EE:FF"),
        )
    ]
    assert web.browser("viewer").get("/api/replays").json() == {"replays": [STANDS]}
    ended = admin.delete("/api/replays/3")
    assert ended.json()["replay"]["state"] == "cancelled" and replays.cancelled == [3]
    audited = admin.get("/api/audit").json()["entries"]
    entries = [each for each in audited if each["action"].startswith("replay")]
    assert [(each["action"], each["target"]) for each in entries] == [
        ("replay.cancel", "3"),
        ("replay.begin", "postgres"),
    ]
    assert entries[1]["detail"].endswith("2 devices")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"to": "yesterday"}, "to"),
        ({"from": "2023-11-14T22:13:20"}, "from"),
        ({"from": -1}, "from"),
        ({"devices": ["nonsense"]}, "devices"),
        ({"sink": "log"}, "sink"),
        ({"speed": 5}, "speed"),
    ],
)
def test_what_is_wrong_is_named(web: WebHouse, replays: Replays, body: dict[str, Any], field: str) -> None:
    refused = web.browser("admin").post("/api/replays", ASKED | body)
    assert refused.status == 422, refused.text
    assert refused.error["field"] == field


def test_only_admins_may_and_only_what_is_there(web: WebHouse, replays: Replays) -> None:
    assert web.browser("operator").post("/api/replays", ASKED).status == 403
    assert web.browser("operator").delete("/api/replays/3").status == 403
    admin = web.browser("admin")
    assert admin.delete("/api/replays/4").status == 404
    assert admin.delete("/api/replays/x").status == 404
    assert replays.begun == []


def test_without_the_service_none_is_possible(web: WebHouse) -> None:
    admin = web.browser("admin")
    assert admin.get("/api/replays").json() == {"replays": []}
    assert admin.post("/api/replays", ASKED).status == 503


def test_the_page_shows_replays_and_lets_an_admin_begin_and_cancel_them(
    web: WebHouse, replays: Replays
) -> None:
    shown = web.browser("admin").get("/replays").text
    assert 'data-api="POST /api/replays"' in shown and 'data-api="DELETE /api/replays/3"' in shown
    assert "<option>postgres</option>" in shown and "50" in shown
    read = web.browser("viewer").get("/replays").text
    assert "postgres" in read and 'data-api="POST /api/replays' not in read and "DELETE" not in read


def test_the_page_is_there_before_anything_can_be_replayed(web: WebHouse) -> None:
    assert "No sink in use takes replays" in web.browser("viewer").get("/replays").text
