"""From bytes that nobody decodes to a chart: the editor, trials with bits, the form, columns, readings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import expect
from tests.support.running_service import SENSOR, RunningService

EUI = SENSOR["eui"]
WIDTHS = [390, 1280]
MEASURES = (Path(__file__).parent / "measures.js").read_text()
BLUEPRINT = json.dumps(
    {
        "version": "1.0",
        "meta": {"vendor": "Acme", "name": "Thermometer"},
        "uplink": [
            {
                "id": 0,
                "payload": [
                    {"name": "open", "size": 1, "type": "bool"},
                    {"name": "battery", "size": 7, "type": "uint", "unit": "%"},
                    {"name": "temperature", "size": 16, "type": "int", "func": "$ / 10", "unit": "°C"},
                ],
            }
        ],
        "examples": [{"payload": "5E00D7", "readings": {"open": False, "battery": 94, "temperature": 21.5}}],
    },
    indent=1,
)
SCRIPT = (
    "function decodeUplink(input) { const at = input.recvTime.getTime() / 1000; return {data: {"
    "temperature: 20 + at % 7, leak: at % 20 > 10, mode: at % 40 > 20 ? 'eco' : 'comfort'}}; }"
)


@pytest.fixture
def decoded(page: Any, known_sensor: str) -> Iterator[str]:
    """The EUI of a sensor whose payloads a script reads."""
    page.goto("/")
    head = {"X-CSRF-Token": page.locator("meta[name=csrf]").get_attribute("content")}
    assert page.request.put("/api/decoders/by-script", data={"source": SCRIPT, "kind": "js"}, headers=head).ok
    chosen = page.request.post("/api/sensors", data={**SENSOR, "decoder": "by-script"}, headers=head)
    assert chosen.ok, chosen.text()
    yield known_sensor
    page.request.post("/api/sensors", data={**SENSOR, "decoder": ""}, headers=head)
    page.request.delete("/api/decoders/by-script", headers=head)


def test_a_decoder_is_written_tried_bit_by_bit_saved_and_deleted(page: Any) -> None:
    page.goto("/decoders/new")
    page.get_by_label("Name", exact=True).fill("thermometer")
    page.get_by_label("Text", exact=True).fill(BLUEPRINT)
    page.get_by_label("Payload", exact=True).fill("de 00 c3")
    page.get_by_role("button", name="Try", exact=True).click()
    rows = page.get_by_role("group", name="What was read").locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_contain_text("1 to 7")
    expect(rows.nth(2)).to_contain_text("temperature = 19.5\u202f°C")
    expect(page.locator(".bits > div")).to_have_count(3)
    assert page.locator(".bits i.s1").count() == 7, "bits in the colour of their field"
    page.get_by_label("Payload", exact=True).fill("de")
    page.get_by_role("button", name="Try", exact=True).click()
    expect(page.locator("[data-try] .outcome")).to_contain_text("temperature: needs bits 8 to 23")
    expect(rows.nth(1)).to_contain_text("1 to 70x5e–")
    expect(rows.nth(2)).to_contain_text("not reached")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/decoders/thermometer")
    expect(page.locator(".toasts")).to_contain_text("1 of 1 examples are right")
    expect(page.get_by_role("table").first).to_contain_text("passed")
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url("**/decoders")


def test_a_wrong_text_is_refused_with_its_line(page: Any) -> None:
    page.goto("/decoders/new")
    page.get_by_label("Name", exact=True).fill("wrong")
    page.get_by_label("Text", exact=True).fill(BLUEPRINT.replace('"size": 7', '"size": 65'))
    page.get_by_role("button", name="Save").click()
    expect(page.locator("[data-editor]")).to_contain_text("line ")
    assert page.request.get("/decoders/wrong").status == 404


def test_a_file_of_a_vendor_is_imported(page: Any, tmp_path: Path) -> None:
    file = tmp_path / "acme-thermometer.json"
    file.write_text(BLUEPRINT)
    page.goto("/decoders/new")
    page.get_by_label("Import a file").set_input_files(file)
    expect(page.get_by_label("Name", exact=True)).to_have_value("acme-thermometer")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/decoders/acme-thermometer")


def test_bytes_that_are_not_decoded_lead_to_a_decoder_and_to_values(page: Any, decoded: str) -> None:
    page.goto(f"/sensors/{decoded}/edit")
    page.get_by_label("Decoder", exact=True).select_option("")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(f"**/sensors/{decoded}")
    expect(page.get_by_text("This sensor's bytes are not decoded.")).to_be_visible()
    page.get_by_label("Decoder", exact=True).select_option("by-script")
    page.get_by_role("button", name="Use it").click()
    expect(page.locator("dl.values [data-key=temperature]")).to_be_visible()


def test_the_form_keeps_what_is_not_changed_and_clears_what_is_emptied(page: Any, decoded: str) -> None:
    page.goto(f"/sensors/{decoded}/edit")
    page.get_by_label("Parameters for the decoder").fill("{")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".field-error")).to_have_text("Parameters for the decoder must be JSON.")
    page.get_by_label("Parameters for the decoder").fill('{"factor": 2}')
    page.get_by_label("Place", exact=True).fill("Cellar")
    page.get_by_label("Latitude").fill("49.5")
    page.get_by_label("Longitude").fill("11")
    page.get_by_label("Interval", exact=True).fill("900")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(f"**/sensors/{decoded}")
    facts = page.locator("[data-region=configuration]")
    expect(facts).to_contain_text("by-script, with parameters")
    expect(facts).to_contain_text("Cellar (49.5, 11)")
    expect(facts).to_contain_text("15 min")
    page.goto(f"/sensors/{decoded}/edit")
    page.get_by_label("Interval", exact=True).fill("")
    page.get_by_label("Latitude").fill("")
    page.get_by_label("Longitude").fill("")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(f"**/sensors/{decoded}")
    expect(facts).to_contain_text("by-script, with parameters")
    expect(facts).to_contain_text("Cellar")
    expect(facts).not_to_contain_text("49.5")
    expect(facts).not_to_contain_text("15 min")


def test_chosen_columns_are_remembered(page: Any, decoded: str) -> None:
    page.goto("/sensors")
    page.get_by_text("Columns", exact=True).click()
    page.get_by_role("link", name="Leak").click()
    expect(page.get_by_role("columnheader", name="Leak")).to_be_visible()
    page.get_by_role("link", name="Sensors", exact=True).click()
    expect(page.get_by_role("columnheader", name="Leak")).to_be_visible()
    page.get_by_text("Columns", exact=True).click()
    page.get_by_role("link", name="Leak").click()
    expect(page.get_by_role("columnheader", name="Leak")).to_have_count(0)


def test_last_values_stay_in_their_column(page: Any, decoded: str) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto("/sensors")
    expect(page.locator("td[data-label='Last values']").first).to_contain_text("Temperature")
    page.evaluate(MEASURES)
    assert page.evaluate("measures.spilled()") == []
    table = page.get_by_role("group", name="Sensors, table")
    assert table.evaluate("it => it.scrollWidth - it.clientWidth") == 0, "every column is in sight"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_readings_are_charts_words_and_a_table(page: Any, decoded: str, width: int, colours: str) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=colours)
    page.goto(f"/sensors/{decoded}/readings?range=hour")
    number, flag = page.locator("[data-key=reading-temperature]"), page.locator("[data-key=reading-leak]")
    expect(number.locator("svg path").first).to_be_attached()
    expect(flag.locator(".plot-y")).to_have_text("noyes")
    expect(page.locator("[data-region=texts] [data-key=mode]")).to_contain_text("Mode")
    expect(page.locator("[data-region=table] tbody tr").first).to_be_visible()
    # The pointer tells the value in words.
    flag.locator(".plot > svg").hover(position={"x": 5, "y": 20})
    expect(flag.locator(".tip b")).to_have_text(re.compile("^(yes|no)$"))
    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert over == 0
    page.get_by_role("link", name="Zoom in").click()
    page.wait_for_url("**/readings?from=*")
    expect(page.get_by_role("link", name="Later")).to_be_visible()


def test_a_chart_is_zoomed_by_dragging(page: Any, decoded: str) -> None:
    page.goto(f"/sensors/{decoded}/readings?range=day")
    box = page.locator("[data-key=reading-temperature] .plot > svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] + 5, box["y"] + 60, steps=4)
    page.mouse.up()
    page.wait_for_url("**/readings?from=*")
    expect(page.locator("[data-key=reading-temperature]")).to_be_visible()


def test_the_service_tells_what_a_decoder_did(page: Any, decoded: str, service: RunningService) -> None:
    page.goto("/decoders")
    row = page.get_by_role("row").filter(has_text="by-script")
    expect(row).to_contain_text("1")
    row.get_by_role("link", name="by-script").click()
    page.wait_for_url("**/decoders/by-script")
    page.get_by_label("Sensor", exact=True).select_option(EUI)
    expect(page.get_by_label("What it sent")).to_be_enabled()
    page.get_by_label("What it sent").select_option(index=1)
    expect(page.get_by_role("group", name="What was read")).to_contain_text("temperature")
    page.goto(f"/decoders/by-script?sensor={EUI}&payload=0102")
    expect(page.get_by_role("group", name="What was read")).to_contain_text("temperature")


def test_a_span_is_entered_in_the_viewer_s_time_zone(
    chromium: Any, session: Any, service: RunningService, known_sensor: str
) -> None:
    context = chromium.new_context(
        base_url=service.url, storage_state=session, timezone_id="America/St_Johns"
    )
    tab = context.new_page()
    tab.goto(f"/sensors/{known_sensor}/readings")
    form = tab.locator("form[data-span]")
    form.get_by_role("button", name="Show").click()
    expect(form).to_contain_text("From must be a complete date and time.")
    form.get_by_label("From").fill("2026-03-08T00:00")
    form.get_by_label("To").fill("2026-03-07T00:00")
    form.get_by_role("button", name="Show").click()
    expect(form).to_contain_text("From must be a minute or more before To.")
    # A day of 23 hours: the clocks are put forward.
    form.get_by_label("To").fill("2026-03-09T00:00")
    form.get_by_role("button", name="Show").click()
    expect(tab.locator("[data-region=lead]")).to_contain_text("2026-03-08 00:00:00 to 2026-03-09 00:00:00")
    assert tab.url.endswith("?from=1772940600&to=1773023400")
    context.close()
