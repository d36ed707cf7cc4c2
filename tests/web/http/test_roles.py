"""What each role may open and use: navigation, links, controls, pages and API say the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from urllib.parse import unquote

import pytest

from bssci.web.access.accounts import ROLES, Role, may
from bssci.web.http.routing import Route
from bssci.web.pages.table import PAGES, Page
from tests.support.center import Line
from tests.support.journal import uplink
from tests.support.telegrams import telegram
from tests.support.web import SENSOR, Answer, WebHouse
from tests.web.html import Document, Element

STATION = "CAFE000000000001"
MAC = "0a1b2c3d4e5f"
DEVICE = "ble:AA:BB:CC:DD:EE:FF"
PROVISIONED = "f2-aabbccddee01"
USES = {
    "data-bulk": "operator",
    "data-selectable": "operator",
    "data-import": "operator",
    "data-command": "operator",
    "data-place": "operator",
    "data-move": "operator",
    "data-template": "admin",
    "data-bundle": "admin",
    "data-generate": "admin",
    "data-upload": "admin",
    "data-restore": "admin",
    "data-download": "admin",
    "data-trial": "operator",
    "data-savebar": "admin",
    "data-show-token": "admin",
}
"""what scripts ask of the API without saying so in the page, and the least role that may"""
READS = {
    "/": "/api/dashboard",
    "/stations": "/api/base_stations",
    "/stations/<eui>": "/api/base_stations/{eui}",
    "/sensors": "/api/sensors",
    "/sensors/unknown": "/api/sensors/unknown",
    "/sensors/<eui>": "/api/sensors/{eui}",
    "/devices": "/api/devices",
    "/devices/<id>": "/api/devices/{id}",
    "/gateways": "/api/gateways",
    "/gateways/<gateway>": "/api/gateways/{id}",
    "/controllers": "/api/devices",
    "/provisioned": "/api/provisioned",
    "/provisioned/<device>": "/api/provisioned/{id}",
    "/decoders": "/api/decoders",
    "/alarms": "/api/alarms",
    "/live": "/api/live",
    "/replays": "/api/replays",
    "/logs": "/api/logs",
    "/config": "/api/config",
    "/certificates": "/api/certificates/status",
    "/accounts": "/api/sessions",
    "/audit": "/api/audit",
    "/explorer": "/api/openapi.json",
}
"""pages that only show, and what of the API tells the same"""


@pytest.fixture(params=["new", "at work"])
def house(request: pytest.FixtureRequest, make_web_house: Callable[..., WebHouse]) -> WebHouse:
    """One of which every list is empty, and one in which every page has something to show."""
    if request.param == "new":
        return make_web_house(sensors=0)
    web = make_web_house()
    Line(web).connect()
    web.center.unknown.heard([uplink(1)])
    hear_device(web)
    return web


def hear_device(web: WebHouse) -> None:
    assert web.browser("admin").post("/api/provisioned", {"id": PROVISIONED}).status == 200
    heard = [
        telegram(1, device=DEVICE, gateway="roof"),
        telegram(2, device=f"f2:{MAC}/J2/strike-1", gateway=f"f2-{MAC}"),
    ]
    web.center.devices.heard(heard)
    web.center.gateways.heard(heard)


class Walk:
    """Every page that a role comes to by links, from the first one; lists in each order for one role only."""

    def __init__(self, web: WebHouse, role: Role) -> None:
        self.role = role
        self.browser = web.browser(role)
        self.answers: dict[str, Answer] = {}
        self.pages: dict[str, Document] = {}
        self.links: list[tuple[str, Element]] = []
        """each with the path of the page that it is on"""
        self._kinds: set[str] = set()
        self._visit("/")

    def _visit(self, path: str) -> None:
        answer = self.answers[path] = self.browser.get(path)
        if answer.status != 200 or not answer.headers["content-type"].startswith("text/html"):
            return
        page = self.pages[path] = Document(answer.text)
        for link in page.all("a"):
            self.links.append((path, link))
            target = link["href"].partition("#")[0]
            # Lists are there in many orders and parts: from those no further.
            if target and target not in self.answers and "?" not in path and not self._is_known(target):
                self._visit(target)

    def _is_known(self, target: str) -> bool:
        kind = re.sub(r"=[^&]*", "", target)
        known = self.role != "admin" and kind in self._kinds
        self._kinds.add(kind)
        return known


def test_the_navigation_holds_every_page_that_stands_for_itself(house: WebHouse) -> None:
    for role in ROLES:
        browser = house.browser(role)
        shown = navigation(Document(browser.get("/").text))
        assert shown == [path for path in READS if path.count("/") == 1 and may_open(role, path)]
        for path in shown:
            answer = browser.get(path)
            assert (answer.status, navigation(Document(answer.text))) == (200, shown), (path, role)


def test_a_page_and_what_the_api_tells_of_it_are_for_the_same_people(web: WebHouse) -> None:
    roles = {route.path: route.role for route in web.admin.routes if route.method == "GET"}
    for path, told in READS.items():
        assert [page.role for page in PAGES if page.path == path] == [roles[told]], path


@pytest.mark.parametrize(
    ("house", "role"), [("new", "admin"), *(("at work", role) for role in ROLES)], indirect=["house"]
)
def test_links_lead_to_places_that_are_there_and_nothing_is_offered_that_a_role_may_not_do(
    house: WebHouse, role: Role
) -> None:
    walk = Walk(house, role)
    assert {path: answer.status for path, answer in walk.answers.items() if answer.status != 200} == {}
    for path, link in walk.links:
        target, _, place = link["href"].partition("#")
        if place:
            page = walk.pages[target or path]
            assert place in {each["id"] for each in page.elements}, (path, link["href"])
    offered = 0
    for path, page in walk.pages.items():
        for each in page.elements:
            for needed in needs(each, house.admin.routes):
                offered += 1
                assert may(role, needed), (path, each.tag, each.attributes)
    if "/stations/" + STATION in walk.pages:
        reached = {unquote(path.partition("?")[0]) for path in walk.pages}
        for path in map(path_of, PAGES):
            assert walk.browser.get(path).status == (200 if path in reached else 403), path
    assert offered > {"viewer": 10, "operator": 20, "admin": 40}[role]


def test_what_a_new_installation_needs_is_asked_of_those_who_can(
    make_web_house: Callable[..., WebHouse],
) -> None:
    web = make_web_house(sensors=0)
    for role in ROLES:
        page = Document(web.browser(role).get("/stations").text)
        offered = [each for each in page.all("a") if each.text == "Make a bundle"]
        assert bool(offered) is (role == "admin")
        assert ("Ask an administrator" in page.one("main").text) is (role != "admin")


def path_of(page: Page) -> str:
    path = page.path.replace("<name>", "water-meter").replace("<id>", DEVICE).replace("<device>", PROVISIONED)
    path = path.replace("<gateway>", "scanner:roof").replace("<address>", MAC)
    path = path.replace("<template>", "garden-probe")
    return path.replace("<eui>", STATION if path.startswith("/stations") else SENSOR)


def may_open(role: Role, path: str) -> bool:
    return any(may(role, page.role) for page in PAGES if page.path == path)


def navigation(page: Document) -> list[str]:
    [entries] = [each for each in page.all("nav") if each["id"] == "navigation"]
    return [each["href"] for each in page.all("a") if entries in each.ancestors and each["class"] != "brand"]


def needs(element: Element, routes: list[Route]) -> Iterator[Role]:
    """What a control asks of whoever uses it."""
    yield from (role for name, role in USES.items() if name in element.attributes)
    targets = [element["data-api"]] if element["data-api"] else []
    targets += [f"POST {path}" for path in (element["data-reveal"], element["data-test"]) if path]
    if element.tag == "form" and element["action"]:
        targets.append(f"{element['method'].upper() or 'GET'} {element['action']}")
    for target in targets:
        method, _, path = target.partition("?")[0].partition(" ")
        [role] = {route.role for route in routes if route.method == method and leads(route, path)}
        yield role


def leads(route: Route, path: str) -> bool:
    return _pattern(route.path).fullmatch(path) is not None


@cache
def _pattern(path: str) -> re.Pattern[str]:
    # The id of a device may hold slashes.
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", path.replace("/devices/{id}", "/devices/.+")))
