"""One real service with a simulated base station, and one Chromium for tests of this folder in a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest

import tests.browser.chromium
from bssci.web.pages.table import PAGES
from tests.support.running_service import ROOT, SENSOR, STATION, RunningService

WAIT = 30_000
"""ms that a page may take to show what is expected"""
EXPECTED = ("status of 422", "net::ERR_INTERNET_DISCONNECTED")
"""in complaints that belong to a refused input, or to the line that a test cuts"""

DEVICE, PROVISIONED = "ble:AA:BB:CC:DD:EE:FF", "f2-aabbccddee01"
MAC = "0a1b2c3d4e5f"
LONG_WORD = "Wasserzählerschachtabdeckung" * 3
"""a name that no window of a phone has room for in one line"""
STRIKE = f"f2:{MAC}/J2/strike-1"

FOLDER = "tests/browser/"
_running = pytest.StashKey[dict[str, Any]]()
"""browser and service that run, by name"""
_ending = pytest.StashKey[ExitStack]()
"""what ends them"""
_reports = pytest.StashKey[dict[str, pytest.TestReport]]()


def addresses(sensor: str) -> list[str]:
    """All pages, each of something that is there: the sensor, the base station, :func:`things`.

    A scanner is there once it was heard, so that its page is among the samples only.
    """
    names = {
        "<name>": "cayenne",
        "<id>": DEVICE,
        "<device>": PROVISIONED,
        "<address>": MAC,
        "<template>": "garden-probe",
    }
    found = []
    for each in PAGES:
        path = each.path.replace("<eui>", STATION if each.path.startswith("/stations") else sensor)
        for name, value in names.items():
            path = path.replace(name, value)
        found.append(path)
    return [path for path in found if "<" not in path]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    item.stash.setdefault(_reports, {})[report.when] = report
    return report


def _outliving(session: pytest.Session, name: str, make: Callable[[], AbstractContextManager[Any]]) -> Any:
    """Return what runs up to the next test of another folder, where it would take time from other tests."""
    running = session.stash.setdefault(_running, {})
    if name not in running:
        running[name] = session.stash.setdefault(_ending, ExitStack()).enter_context(make())
    return running[name]


@pytest.fixture(scope="module")
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunningService:
    return _outliving(request.session, "service", lambda: RunningService(tmp_path_factory.mktemp("service")))


@pytest.fixture(scope="module")
def chromium(request: pytest.FixtureRequest) -> Any:
    browser = _outliving(request.session, "chromium", tests.browser.chromium.chromium)
    from playwright.sync_api import expect

    expect.set_options(timeout=WAIT)
    return browser


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Any:
    result = yield
    goes_on = nextitem is not None and nextitem.nodeid.startswith(FOLDER)
    if not goes_on and _ending in item.session.stash:
        del item.session.stash[_running]
        item.session.stash[_ending].close()
        del item.session.stash[_ending]
    return result


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


@pytest.fixture(scope="module")
def things(chromium: Any, session: Any, service: RunningService) -> Iterator[None]:
    """Devices that somebody entered, one of them a controller's, and a template. They are gone afterwards."""
    context = chromium.new_context(base_url=service.url, storage_state=session)
    page = context.new_page()
    page.goto("/")
    headers = {"X-CSRF-Token": page.locator("meta[name=csrf]").get_attribute("content")}
    entered = [f"/api/devices/{DEVICE}", f"/api/devices/{STRIKE}"]
    for each in entered:
        answer = context.request.patch(each, data={"name": LONG_WORD, "tags": [LONG_WORD]}, headers=headers)
        assert answer.ok, answer.text()
    provisioned = {"id": PROVISIONED, "serial_number": "4711", "force": True}
    assert context.request.post("/api/provisioned", data=provisioned, headers=headers).ok
    template = (ROOT / "decoders" / "garden-probe.json").read_text()
    written = "/api/decoders/garden-probe"
    answer = context.request.put(written, data={"source": template, "kind": "json"}, headers=headers)
    assert answer.ok, answer.text()
    yield
    for each in [*entered, written, f"/api/provisioned/{PROVISIONED}"]:
        context.request.delete(each, headers=headers)
    context.close()


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
