from __future__ import annotations

from collections.abc import Callable

from bssci.web.outside import Outside
from bssci.web.pages.decoders import STARTER
from tests.support.web import WebHouse
from tests.web.html import Document


def shown(web: WebHouse, path: str) -> Document:
    answer = web.browser("admin").get(path)
    assert answer.status == 200
    return Document(answer.text)


def test_decoders_of_files_lead_to_their_pages(web: WebHouse) -> None:
    links = {each["href"] for each in shown(web, "/decoders").all("a")}
    assert {"/decoders/water-meter", "/decoders/new"} <= links


def test_what_is_to_be_tried_stands_in_the_form(web: WebHouse) -> None:
    page = shown(web, "/decoders/water-meter?payload=0001&format=3")
    values = {each["name"]: each["value"] for each in page.all("input")}
    assert values["payload"] == "0001" and values["format"] == "3"


def test_a_new_one_begins_with_an_example_that_works(web: WebHouse) -> None:
    (text,) = (each.text for each in shown(web, "/decoders/new").all("textarea") if "uplink" in each.text)
    assert text.strip() == STARTER.strip()
    answer = web.browser("admin").post("/api/decoders/try", {"source": STARTER, "payload": "00D75F"})
    assert answer.status == 200


def test_a_service_without_decoders_says_so(make_web_house: Callable[..., WebHouse]) -> None:
    web = make_web_house(outside=Outside())
    assert web.browser("admin").get("/decoders").status == 200
    assert web.browser("admin").get("/decoders/water-meter").status == 404
