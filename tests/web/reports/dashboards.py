"""The dashboard as viewers see it."""

from __future__ import annotations

from typing import Any

from tests.support.center import STATION
from tests.support.web import WebHouse
from tests.web.html import Document

NOW = 1_800_000_000.0
"""Unix seconds, while certificates are looked at"""
STATION_NAME = f"{STATION:016X}"


def dashboard(web: WebHouse) -> dict[str, Any]:
    told: dict[str, Any] = web.browser("viewer").get("/api/dashboard").json()
    return told


def tiles(web: WebHouse) -> dict[str, str]:
    """Where each leads, by its label."""
    page = Document(web.browser("viewer").get("/").text)
    labels = [each for each in page.all("span") if each["class"] == "tile-label"]
    return {each.text: tile["href"] for each in labels if (tile := each.within("a"))}
