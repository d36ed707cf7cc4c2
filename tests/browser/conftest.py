"""One real service with a simulated base station for this folder, one Chromium for each of its modules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tests.support.chromium
from tests.support.running_service import SENSOR, RunningService

WAIT = 15_000
"""ms that a page may take to show what is expected"""
EXPECTED = ("status of 422", "net::ERR_INTERNET_DISCONNECTED")
"""in complaints that belong to a refused input, or to the line that a test cuts"""

_reports = pytest.StashKey[dict[str, pytest.TestReport]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(60))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    item.stash.setdefault(_reports, {})[report.when] = report
    return report


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser of a module, which ends with it."""
    with tests.support.chromium.chromium() as browser:
        from playwright.sync_api import expect

        expect.set_options(timeout=WAIT)
        yield browser


@pytest.fixture(scope="module")
def session(chromium: Any, service: RunningService) -> Any:
    """The cookies of somebody who has logged in by the form."""
    context = chromium.new_context(base_url=service.url)
    page = context.new_page()
    page.goto("/stations?state=online")
    page.get_by_label("User name").fill(service.user)
    page.get_by_label("Password").fill(service.password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/stations?state=online")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def known_sensor(page: Any) -> str:
    """The EUI of the sensor that the base station hears, configured."""
    eui = str(SENSOR["eui"])
    if page.request.get(f"/sensors/{eui}").status == 404:
        page.goto("/")
        token = page.locator("meta[name=csrf]").get_attribute("content")
        answer = page.request.post("/api/sensors", data=SENSOR, headers={"X-CSRF-Token": token})
        assert answer.ok, answer.text()
    return eui


@pytest.fixture
def page(
    chromium: Any, session: Any, service: RunningService, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Any]:
    """A tab in which one is logged in.

    What the browser complains of fails the test; a failure leaves a picture.
    """
    context = chromium.new_context(base_url=service.url, storage_state=session, accept_downloads=True)
    tab = context.new_page()
    tab.set_default_timeout(WAIT)
    complaints: list[str] = []
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    yield tab
    report = request.node.stash.get(_reports, {}).get("call")
    if report is not None and report.failed:
        picture = tmp_path / "failed.png"
        tab.screenshot(path=picture, full_page=True)
        print(f"picture of the page: {picture}")
    context.close()
    assert [each for each in complaints if not any(text in each for text in EXPECTED)] == []
