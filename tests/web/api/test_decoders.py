"""Decoders by the API: look, store, remove, try out."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bssci.model import EUI, Uplink
from bssci.web.outside import Outside
from tests.support.decoders import METER, ORDINARY, ScriptsAtOnce, follow, outside_with_decoders
from tests.support.journal import reception
from tests.support.web import SENSOR, WebHouse, sensor_entry

SCRIPT = "function decodeUplink(input) { return {data: {temperature: input.bytes[0]}}; }"
PROBLEM = '{"uplink": [{"payload": [{"name": "x", "size": 65, "type": "uint"}]}]}'


class Sum:
    """A decoder that is no file."""

    name, version = "sum", "1"

    def matches(self, payload: Any) -> bool:
        return False

    def decode(self, payload: Any, parameters: Any) -> list[Any]:
        return []


@pytest.fixture
def web(make_web_house: Callable[..., WebHouse], tmp_path: Path) -> WebHouse:
    outside = outside_with_decoders(tmp_path / "decoders", [Sum()])
    house = make_web_house(sensors=2, outside=outside)
    follow(outside.decoders, house.center.sensors)
    return house


def configure(web: WebHouse, number: int = 1, **fields: Any) -> None:
    answer = web.browser("operator").post("/api/sensors", sensor_entry(number, **fields))
    assert answer.status == 200, answer.body


def test_the_list_tells_versions_kinds_sensors_and_failures(web: WebHouse) -> None:
    configure(web, 1, typeEui=METER)
    configure(web, 2, decoder="water-meter")
    decoders = web.outside.decoders
    assert decoders is not None
    short = Uplink(
        at=web.now(),
        id="u1",
        known=True,
        receptions=[reception(1, EUI(SENSOR), payload=b"\0")],
        duplicates=0,
    )
    decoders.decode([short])
    answer = web.browser("viewer").get("/api/decoders").json()
    rows = {row["name"]: row for row in answer["decoders"]}
    assert list(rows) == ["climate-sensor", "garden-probe", "leak-sensor", "sum", "water-meter"]
    meter = rows["water-meter"]
    assert (meter["version"], meter["kind"], meter["file"]) == ("1.0", "blueprint", "water-meter.json")
    assert (meter["typeEui"], meter["sensors"], meter["examples"]) == (METER, 2, 4)
    assert (meter["decoded"], meter["failures"], meter["failing"]) == (0, 1, True)
    assert meter["last_failure"]["code"] == "too_short"
    assert meter["last_failure"]["device"] == f"mioty:{SENSOR}"
    assert (rows["sum"]["kind"], rows["sum"]["file"]) == ("built in", None)
    assert answer["problems"] == []


def test_one_is_shown_with_its_text_and_its_examples_run(web: WebHouse) -> None:
    answer = web.browser("viewer").get("/api/decoders/water-meter").json()
    assert '"Water meter"' in answer["text"]
    assert [example["passed"] for example in answer["examples"]] == [True] * 4
    assert answer["examples"][0]["readings"][3] == {"name": "volume", "value": 77.167, "unit": "m³"}
    assert web.browser("viewer").get("/api/decoders/sum").json()["text"] is None
    assert web.browser("viewer").get("/api/decoders/none").status == 404


def test_a_decoder_is_stored_used_and_removed(web: WebHouse) -> None:
    admin = web.browser("admin")
    text = (web.directory / "decoders" / "leak-sensor.json").read_text()
    changed = text.replace('"version": "1.0"', '"version": "1.1"').replace("($ + 150) / 100", "$ / 100")
    answer = admin.ask("PUT", "/api/decoders/leak-sensor", {"source": changed}).json()
    assert (answer["file"], answer["version"]) == ("leak-sensor.json", "1.1")
    assert [example["passed"] for example in answer["examples"]] == [False, False]
    assert "battery_voltage: 3 expected, 1.5 read" in answer["examples"][0]["differences"]
    assert (web.directory / "decoders" / "leak-sensor.json").read_text() == changed
    again = admin.ask("PUT", "/api/decoders/leak-sensor?only_new=1", {"source": text})
    assert (again.status, again.error["code"], again.error["field"]) == (409, "conflict", "name")
    assert (web.directory / "decoders" / "leak-sensor.json").read_text() == changed
    assert admin.delete("/api/decoders/leak-sensor").status == 200
    assert admin.get("/api/decoders/leak-sensor").status == 404
    assert ("admin", "decoder.put", "leak-sensor") in web.audit()
    assert ("admin", "decoder.delete", "leak-sensor") in web.audit()
    assert admin.delete("/api/decoders/sum").error["code"] == "built_in"
    assert admin.delete("/api/decoders/none").status == 404


def test_a_wrong_text_is_refused_with_its_line_and_changes_nothing(web: WebHouse) -> None:
    admin = web.browser("admin")
    before = len(web.audit())
    answer = admin.ask("PUT", "/api/decoders/wrong", {"source": '{\n"uplink": [\n{"payload": 7}]}'})
    assert answer.status == 422 and answer.json()["line"] == 3
    assert answer.error["field"] == "source" and "line 3" in answer.error["message"]
    assert not (web.directory / "decoders" / "wrong.json").exists()
    assert [entry for entry in web.audit()[before:] if entry[1].startswith("decoder")] == []
    for name in ("..%2fetc", ".hidden", "a%20b"):
        assert admin.ask("PUT", f"/api/decoders/{name}", {"source": "{}"}).status in (404, 422)
    named = admin.ask("PUT", "/api/decoders/a%0ab", {"source": "{}"})
    assert (named.status, named.error["field"]) == (422, "name")
    script = '/* decoder {"title": "a\\u001b"} */ ' + SCRIPT
    titled = admin.ask("PUT", "/api/decoders/titled", {"source": script, "kind": "js"})
    assert (titled.status, titled.error["message"]) == (422, "the title must have no control characters")
    assert admin.ask("PUT", "/api/decoders/sum", {"source": SCRIPT}).status == 422


def test_a_file_that_became_wrong_by_hand_is_shown_and_can_be_mended(web: WebHouse) -> None:
    (web.directory / "decoders" / "odd.json").write_text(PROBLEM)
    decoders = web.outside.decoders
    assert decoders is not None
    decoders.folder.load()
    browser = web.browser("admin")
    problem = browser.get("/api/decoders").json()["problems"][0]
    assert (problem["file"], problem["refused"]) == ("odd.json", True)
    shown = browser.get("/api/decoders/odd").json()
    assert shown["decoder"] is None and shown["text"] == PROBLEM and shown["problems"] == [problem]
    mended = PROBLEM.replace("65", "8")
    assert browser.ask("PUT", "/api/decoders/odd", {"source": mended}).status == 200
    assert browser.get("/api/decoders").json()["problems"] == []


@pytest.mark.parametrize(
    "payload",
    [ORDINARY, "0x00012D6F", {"base64": base64.b64encode(bytes.fromhex(ORDINARY)).decode()}, "AAABLW8AaRfS"],
)
def test_a_payload_is_tried_in_any_spelling(web: WebHouse, payload: Any) -> None:
    answer = web.browser("operator").post("/api/decoders/try", {"name": "water-meter", "payload": payload})
    if payload == "0x00012D6F":
        assert answer.status == 422 and answer.error["code"] == "too_short"
        return
    told = answer.json()
    assert {each["name"]: each["value"] for each in told["readings"]}["volume"] == 77.167
    assert told["decoder"] == "water-meter@1.0"
    volume = next(field for field in told["fields"] if field["name"] == "volume")
    assert (volume["first_bit"], volume["bits"], volume["raw"]) == (8, 32, "0x12d6f")
    assert volume["reading"] == {"name": "volume", "value": 77.167, "unit": "m³"}


def test_an_error_has_its_place_and_the_fields_before_it(web: WebHouse) -> None:
    body = {"name": "water-meter", "payload": "00 00012D"}
    answer = web.browser("operator").post("/api/decoders/try", body)
    assert answer.status == 422
    assert answer.error["code"] == "too_short" and "bits 8 to 39" in answer.error["message"]
    assert [field["name"] for field in answer.json()["fields"]][:2] == ["spare", "leak"]


def test_a_text_is_tried_before_it_is_stored_and_scripts_by_administrators_only(web: WebHouse) -> None:
    pytest.importorskip("quickjs")
    blueprint = json.dumps({"uplink": [{"payload": [{"name": "t", "size": 8, "type": "int"}]}]})
    operator, admin = web.browser("operator"), web.browser("admin")
    told = operator.post("/api/decoders/try", {"source": blueprint, "payload": "FF"}).json()
    assert told["readings"][0]["value"] == -1
    body = {"source": SCRIPT, "payload": "15"}
    assert operator.post("/api/decoders/try", body).status == 403
    told = admin.post("/api/decoders/try", body).json()
    assert told["readings"] == [{"name": "temperature", "value": 21, "unit": "°C"}]
    decoders = web.outside.decoders
    assert decoders is not None and isinstance(decoders.threads, ScriptsAtOnce)
    assert [name for name, _ in decoders.threads.asked] == ["trial beside"]
    wrong = admin.post("/api/decoders/try", {"source": "function (", "payload": ""})
    assert wrong.status == 422 and wrong.error["field"] == "source"


def test_a_sensor_lends_its_decoder_and_its_parameters(web: WebHouse) -> None:
    operator = web.browser("operator")
    body = {"sensor": SENSOR, "payload": ORDINARY}
    assert operator.post("/api/decoders/try", body).error["code"] == "no_decoder"
    configure(web, 1, typeEui=METER)
    assert operator.post("/api/decoders/try", body).json()["decoder"] == "water-meter@1.0"
    assert operator.post("/api/decoders/try", body | {"sensor": "0" * 16}).error["field"] == "sensor"
    assert operator.post("/api/decoders/try", {"payload": "00"}).error["field"] == "name"
    assert operator.post("/api/decoders/try", {"name": "sum", "payload": "xyz!"}).error["field"] == "payload"


def test_a_service_without_decoders_says_so(make_web_house: Callable[..., WebHouse]) -> None:
    browser = make_web_house(outside=Outside()).browser("admin")
    assert browser.get("/api/decoders").status == 503
