from __future__ import annotations

import json
import re

from tests.support.web import WebHouse


def test_every_route_is_described(web: WebHouse) -> None:
    description = web.browser("viewer").get("/api/openapi.json").json()
    described = {
        (method.upper(), path) for path, methods in description["paths"].items() for method in methods
    }
    assert described == {(route.method, route.path) for route in web.admin.routes if not route.page}
    for methods in description["paths"].values():
        for operation in methods.values():
            assert operation["summary"] and operation["responses"]["200"]
    ids = [each["operationId"] for methods in description["paths"].values() for each in methods.values()]
    assert len(set(ids)) == len(ids)
    assert description["paths"]["/api/accounts"]["get"]["x-role"] == "admin"
    assert description["paths"]["/healthz"]["get"]["security"] == []


def test_bodies_are_described_as_they_are_read(web: WebHouse) -> None:
    document = web.browser("viewer").get("/api/openapi.json").json()
    browser = web.browser("admin")
    assert document["paths"]["/api/devices/{id}"]["patch"]["requestBody"]["required"] is False
    assert browser.ask("PATCH", "/api/devices/ble:AA:BB:CC:DD:EE:FF").status == 200
    assert document["paths"]["/api/tokens"]["post"]["requestBody"]["required"] is True
    assert browser.ask("POST", "/api/tokens").status in (415, 422)
    schemas = document["components"]["schemas"]
    assert schemas["NewToken"]["additionalProperties"] is False
    unknown = {"name": "a", "role": "viewer", "rule": 1}
    assert browser.ask("POST", "/api/tokens", unknown).error["field"] == "rule"
    # A sensor's further fields are kept.
    assert "additionalProperties" not in schemas["SensorEntry"]


def test_the_names_of_accounts_and_tokens_are_described(web: WebHouse) -> None:
    schemas = web.browser("viewer").get("/api/openapi.json").json()["components"]["schemas"]
    for form in ("NewAccount", "NewToken", "NewLiveToken"):
        assert re.fullmatch(schemas[form]["properties"]["name"]["pattern"], "meter-import"), form
        assert not re.fullmatch(schemas[form]["properties"]["name"]["pattern"], "-a"), form
    assert schemas["NewAccount"]["properties"]["password"]["minLength"] == 10


def test_answers_are_described_as_generators_of_clients_read_them(web: WebHouse) -> None:
    text = web.browser("viewer").get("/api/openapi.json").text
    # OpenAPI Generator makes a constant truth value a text, and cannot read a list of one of several types.
    assert '"const"' not in text
    setting = json.loads(text)["components"]["schemas"]["OneSetting"]
    assert {"type": "array", "items": {}} in setting["properties"]["value"]["anyOf"]
