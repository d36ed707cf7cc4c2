"""The examples of docs/api-examples.md, held against what a running service answers to every route."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.e2e.api_tour import DOCUMENTS, JSON, MASKED, Example, capture, shortened

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "api-examples.md"
AGAIN = "make docs writes the examples anew, tests/e2e/api_tour.py makes the requests"
SAME_AS = ("/api/base-stations",)
"""routes by another name"""
SETTING = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$")
"""name of a setting; that there is one more of them changes no field"""
pytestmark = [pytest.mark.parts]


class Shown(NamedTuple):
    """An example of the document."""

    status: int
    content_type: str
    answer: str


def documented() -> dict[str, Shown]:
    """The examples of the document by method and route."""
    found = re.findall(
        r"^## (\S+ \S+)\n.*?^(\d{3}) `(\S*)`\n\n```\w+\n(.*?)\n```$", DOCUMENT.read_text(), re.M | re.S
    )
    return {route: Shown(int(status), kind, answer) for route, status, kind, answer in found}


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Example]]:
    yield {each.step.route: each for each in capture(tmp_path_factory.mktemp("service"))}


def test_every_route_has_an_example(captured: dict[str, Example]) -> None:
    paths = captured["GET /api/openapi.json"].answer["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    routes = {route for route in routes if not route.split()[1].startswith(SAME_AS)}
    assert routes - captured.keys() == set(), AGAIN
    assert documented().keys() == captured.keys(), AGAIN


def test_examples_are_as_the_service_answers(captured: dict[str, Example]) -> None:
    for route, shown in documented().items():
        told = captured[route]
        assert (shown.status, shown.content_type) == (told.status, told.content_type), (route, AGAIN)
        if told.content_type == JSON and route not in DOCUMENTS:
            assert differences(json.loads(shown.answer), shortened(told.answer)) == [], (route, AGAIN)


def test_the_example_of_a_stream_has_an_event_with_the_fields_of_one(captured: dict[str, Example]) -> None:
    shown, told = (
        re.search(r"^id: \d+\nevent: uplink\ndata: (.*)$", text, re.M)
        for text in (documented()["GET /api/live"].answer, captured["GET /api/live"].answer)
    )
    assert shown is not None and told is not None, AGAIN
    assert differences(json.loads(shown[1]), json.loads(told[1])) == [], AGAIN


def test_the_tour_shows_more_than_errors(captured: dict[str, Example]) -> None:
    assert sum(each.status != 200 for each in captured.values()) <= 4


def test_no_secret_is_shown() -> None:
    text = DOCUMENT.read_text()
    assert not re.search(r"bssci_[\w-]{20}|PRIVATE KEY", text)
    assert set(re.findall(r'"(?:password|new_password|csrf|token|nwKey)": "(.*?)"', text)) <= {"…", MASKED}


def differences(shown: Any, told: Any, where: str = "") -> list[str]:
    """The fields that one of them has and the other has not, and values of another kind."""
    if isinstance(shown, dict) and isinstance(told, dict):
        found = [f"{where}/{name}" for name in sorted(shown.keys() ^ told.keys()) if not SETTING.match(name)]
        for name in shown.keys() & told.keys():
            found += differences(shown[name], told[name], f"{where}/{name}")
        return found
    if isinstance(shown, list) and isinstance(told, list):
        return differences(shown[0], told[0], f"{where}[]") if shown and told else []
    if shown is None or told is None or kind(shown) == kind(told):
        return []
    return [f"{where}: {kind(shown)}, not {kind(told)}"]


def kind(value: Any) -> str:
    """The kind of a value; whole numbers are numbers."""
    return "number" if type(value) in (int, float) else type(value).__name__
