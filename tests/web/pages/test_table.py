"""Every template with data of each kind: rich, hostile, empty; for each role."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Event
from typing import Any

import msgspec
import pytest

from bssci import __version__
from bssci.web.access.accounts import ROLES, Role
from bssci.web.access.accounts import may as includes
from bssci.web.pages import table as pages
from bssci.web.pages.table import (
    PAGES,
    STATIC,
    TEMPLATES,
    compile_templates,
    environment,
    link,
    render,
    user_may,
)
from tests.web.html import Document, Element, faults
from tests.web.pages.page_samples import samples

pytestmark = pytest.mark.service
HOSTILE = """<script>alert(1)</script>"><img src=x onerror=alert(2)>'{{7*7}}"""
FIXED = {"role", "severity", "kind", "state", "theme", "tone"}
"""words of ours"""
KNOWN = {"start", "end", "eui", "status"}
"""what is never missing"""
EVERYWHERE = {"user", "csrf", "path", "prefix", "query", "version", "now", "timezone", "needs_restart"}
"""data of every page, none of which others wrote"""
TEMPLATE_NAMES = sorted(path.name for path in TEMPLATES.glob("[!_]*.html"))


def page(template: str, role: Role = "admin", **changes: Any) -> Document:
    user = {"name": "anna", "role": role}
    return Document(render(template, **{**samples()[template], "user": user, **changes}))


plain_page = cache(page)
"""without changes: the same for many tests"""


def changed(data: Any, fixed: set[str], one: Callable[[Any], Any], is_full: bool) -> Any:
    """Return the same shape with other values, and with or without rows."""
    if isinstance(data, dict):
        return {
            name: value if name in fixed else changed(value, fixed, one, is_full)
            for name, value in data.items()
        }
    if isinstance(data, msgspec.Struct):
        return type(data)(**changed(msgspec.structs.asdict(data), fixed, one, is_full))
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(**changed(data._asdict(), fixed, one, is_full))
    if isinstance(data, list | tuple):
        return [changed(each, fixed, one, is_full) for each in data] if is_full else []
    return one(data)


def hostile(template: str) -> dict[str, Any]:
    """Return the sample with every text replaced by one that must not be taken for markup."""

    def replaced(data: Any) -> Any:
        return HOSTILE if isinstance(data, str) else data

    found: dict[str, Any] = changed(samples()[template], FIXED | EVERYWHERE, replaced, True)
    return found


def bare(template: str) -> dict[str, Any]:
    """Return the sample where nothing is known: no rows, no numbers."""

    def emptied(data: Any) -> Any:
        return data if isinstance(data, str | bool) else None

    found: dict[str, Any] = changed(samples()[template], FIXED | KNOWN | EVERYWHERE, emptied, False)
    return found


def test_every_template_has_a_sample_and_every_page_a_template() -> None:
    assert set(samples()) == set(TEMPLATE_NAMES)
    assert {each.template for each in PAGES} <= set(TEMPLATE_NAMES)


@pytest.mark.parametrize("template", TEMPLATE_NAMES)
def test_a_page_has_title_heading_landmarks_and_labels(template: str) -> None:
    for role in ROLES:
        shown = plain_page(template, role)
        assert shown.one("html")["lang"] == "en"
        assert shown.one("title").text.strip().endswith("· Service center")
        assert shown.one("h1").text.strip()
        assert shown.one("main")["id"] == "main"
        assert faults(shown) == [], role


@pytest.mark.parametrize("template", [each.template for each in PAGES])
def test_pages_inside_have_a_skip_link_and_say_where_one_is(template: str) -> None:
    path = next(each.path for each in PAGES if each.template == template)
    shown = page(template, path=path)
    assert shown.all("a")[0]["href"] == "#main"
    assert any("aria-current" in each.attributes for each in shown.all("a"))


@pytest.mark.parametrize("template", TEMPLATE_NAMES)
def test_what_others_wrote_is_never_markup(template: str) -> None:
    text = render(template, **{**hostile(template), "needs_restart": [HOSTILE]})
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    shown = Document(text)
    assert [each["src"] for each in shown.all("script")] == [f"/static/app.js?v={__version__}"]
    assert not [name for each in shown.elements for name in each.attributes if name.startswith("on")]


@pytest.mark.parametrize("template", TEMPLATE_NAMES)
def test_a_page_of_which_nothing_is_known_yet_is_whole(template: str) -> None:
    text = render(template, **bare(template))
    assert faults(Document(text)) == []
    assert "None" not in Document(text).one("main").text


def _pattern_of(parts: list[str]) -> str:
    """The path of the page, as its row has it, that a link to something of a kind leads to."""
    if parts[:2] == ["controllers", "templates"]:
        return "/controllers/templates/<template>"
    if parts[0] == "devices":  # an id may hold slashes
        return "/devices/<id>/readings" if parts[-1] == "readings" else "/devices/<id>"
    names = {"decoders": "name", "provisioned": "device", "gateways": "gateway", "controllers": "address"}
    return "/".join(["", parts[0], f"<{names.get(parts[0], 'eui')}>", *parts[2:]])


@pytest.mark.parametrize("template", TEMPLATE_NAMES)
def test_links_lead_to_pages_that_the_role_may_see(template: str) -> None:
    paths = {each.path: each.role for each in PAGES}
    own = next((each.role for each in PAGES if each.template == template), "viewer")
    for role in (role for role in ROLES if includes(role, own)):
        for each in plain_page(template, role).all("a"):
            target = each["href"].partition("?")[0].partition("#")[0]
            if not target or target.startswith("/api/") or target == "/login":
                continue
            parts = target.strip("/").split("/")
            known = target if target in paths else _pattern_of(parts)
            assert known in paths, f"{each['href']} leads nowhere"
            assert includes(role, paths[known]), f"{each['href']} is not for {role}"


@pytest.mark.parametrize("template", [each.template for each in PAGES if each.role == "viewer"])
def test_forms_that_change_something_are_shown_to_those_who_may(template: str) -> None:
    own = ("/api/me/password", "/api/sessions")
    targets = [each["data-api"].partition(" ")[2] for each in plain_page(template, "viewer").all("form")]
    assert [each for each in targets if each and not each.startswith(own)] == []
    assert plain_page(template, "viewer").all("dialog") == []


@pytest.mark.parametrize("template", ["{{ row['values'] }}", "{{ row['items'].more }}"])
def test_what_a_row_does_not_have_is_not_shown(template: str) -> None:
    assert environment().from_string(template).render(row={}) == ""


def test_an_event_without_values_has_none_on_the_live_page() -> None:
    sample = samples()["live.html"]
    events = [{name: it for name, it in each.items() if name != "values"} for each in sample["events"]]
    assert " object at " not in render("live.html", **{**sample, "events": events})


def test_a_full_page_of_sensors_is_small() -> None:
    text = render("sensors.html", **samples()["sensors.html"])
    assert len(text.encode()) < 100_000
    assert len(Document(text).all("tr")) == 51


def test_keys_are_not_in_the_page() -> None:
    assert samples()["sensor_form.html"]["sensor"]["nwKey"] == "********"
    for template in ("sensor.html", "sensor_form.html"):
        assert page(template).source.count("********") == 0


def test_states_are_said_in_words() -> None:
    words = [each.text for each in page("stations.html").all("span") if each["class"].startswith("state ")]
    assert {"online", "offline", "connecting", "refused"} <= set(words)
    assert all(word.strip() for word in words)


def test_times_carry_utc_and_the_settings_zone_is_shown() -> None:
    shown = page("station.html")
    assert shown.all("time")[0]["datetime"].endswith("Z")
    assert "UTC" in shown.all("time")[0]["title"]
    assert "Europe/Berlin" in shown.one("footer").text


def test_the_theme_is_in_the_page_so_that_it_does_not_flash() -> None:
    assert page("dashboard.html", theme="dark").one("html")["data-theme"] == "dark"
    assert page("dashboard.html", theme='"><x').one("html")["data-theme"] == "auto"


def test_settings_that_wait_for_a_restart_are_told_on_every_page() -> None:
    assert "LISTEN_PORT" in page("dashboard.html", needs_restart=["LISTEN_PORT"]).one("main").text


def test_scripts_are_modules_that_exist_and_load_nothing_from_elsewhere() -> None:
    for path in STATIC.glob("*.js"):
        text = path.read_text()
        assert "http://www.w3.org/2000/svg" in text or "http" not in text, path.name
        assert "innerHTML" not in text, path.name
        for line in text.splitlines():
            if line.startswith("import "):
                assert (STATIC / line.split('"')[1]).exists(), f"{path.name}: {line}"
    assert "url(" not in Path(STATIC / "app.css").read_text()


def test_colours_are_none_that_a_browser_of_2023_does_not_know() -> None:
    assert "light-dark(" not in Path(STATIC / "app.css").read_text()


def test_links_keep_what_is_chosen_and_drop_what_is_empty() -> None:
    assert link("/sensors", {"q": "a b", "page": "2"}, page=None, sort="-name") == "/sensors?q=a+b&sort=-name"
    assert link("/sensors", None) == "/sensors"


def test_roles_contain_each_other() -> None:
    assert user_may({"role": "admin"}, "operator")
    assert not user_may({"role": "viewer"}, "operator")
    assert not user_may(None, "viewer")


def test_paths_are_unique() -> None:
    assert (
        len({each.path for each in PAGES})
        == len({each.view + each.path for each in PAGES})
        == len(pages.PAGES)
    )


def test_no_template_is_compiled_any_more_once_the_service_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    stopping = Event()

    def compile_one(name: str) -> None:
        compiled.append(name)
        stopping.set()

    monkeypatch.setattr(pages._environment, "get_template", compile_one)
    compile_templates(stopping)
    assert len(compiled) == 1


def test_a_page_asks_at_once_for_all_scripts_that_every_page_imports() -> None:
    imported, left = set[str](), ["app.js"]
    while left:
        found = set(re.findall(r'^import .* from "\./(.+)";$', (STATIC / left.pop()).read_text(), re.M))
        left += found - imported
        imported |= found
    preloaded = [each["href"] for each in page("login.html").all("link") if each["rel"] == "modulepreload"]
    assert preloaded == [f"/static/{name}" for name in sorted(imported)]


@pytest.mark.parametrize("template", TEMPLATE_NAMES)
def test_a_cell_that_a_phone_shows_beside_its_label_is_one_piece(template: str) -> None:
    """Each piece would be put into a column of its own: text into that of the labels."""
    broken = set()
    for cell in page(template).all("td"):
        table = cell.within("table")
        if not cell["data-label"] or table is None or "cards" not in table["class"].split():
            continue
        pieces = [each for each in cell.page.elements if each.parent is cell]
        if len(pieces) > 1 or (pieces and pieces[0].text.strip() != cell.text.strip()):
            broken.add(cell["data-label"])
    assert broken == set()


def buttons(shown: Document) -> list[tuple[str, Element, str]]:
    """The API's method and path, the form and the text of the button, of every form that sends to the API."""
    found = []
    for button in shown.all("button"):
        form = button.within("form")
        if form is not None and form["data-api"] and button["type"] == "submit":
            found.append((form["data-api"], form, button.text.strip()))
    return found


@pytest.mark.parametrize("template", TEMPLATE_NAMES)
def test_a_button_that_asks_first_ends_with_an_ellipsis_and_no_other_does(template: str) -> None:
    for _, form, text in buttons(plain_page(template)):
        assert text.endswith("\N{HORIZONTAL ELLIPSIS}") == bool(form["data-confirm"]), text


@pytest.mark.parametrize("template", TEMPLATE_NAMES)
def test_what_is_taken_away_is_called_by_one_word(template: str) -> None:
    for asked, form, text in buttons(plain_page(template)):
        method, _, path = asked.partition(" ")
        if method == "DELETE" and "/downlink/" not in path:
            [word] = [word for begin, word in WORDS_OF_DELETE.items() if path.startswith(begin)]
            assert text.startswith(word), asked
            assert form["data-confirm"].startswith(word) or not form["data-confirm"], asked


@pytest.mark.parametrize("template", TEMPLATE_NAMES)
def test_what_a_button_has_done_is_said(template: str) -> None:
    for asked, form, _ in buttons(plain_page(template)):
        assert form["data-done"] or "data-show-token" in form.attributes, asked


WORDS_OF_DELETE = {
    "/api/sensors/": "Delete",
    "/api/accounts/": "Delete",
    "/api/decoders/": "Delete",
    "/api/base_stations/": "Forget",
    "/api/devices/": "Forget",
    "/api/gateways/": "Forget",
    "/api/tokens/": "Revoke",
    "/api/mqtt-tokens/": "Revoke",
    "/api/sessions": "End",
    "/api/replays/": "Cancel",
}
"""the one word for what DELETE does there"""
