from __future__ import annotations

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
