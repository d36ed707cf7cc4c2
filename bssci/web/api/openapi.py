"""``/api/openapi.json``, from the table of routes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from bssci.web.api.schemas import ERROR, EUI, TEXT
from bssci.web.http.guard import COOKIE, CSRF_HEADER
from bssci.web.http.routing import Route, Schema

_NAME = re.compile(r"\{(\w+)\}")
_PATH_SCHEMAS: Mapping[str, Schema] = {
    "eui": EUI,
    "queId": {"type": "integer", "minimum": 1},
    "seq": {"type": "integer", "minimum": 1},
}
_ERRORS = {
    "400": "Not readable",
    "401": "Log in first",
    "403": "Not allowed, or X-CSRF-Token is wrong",
    "404": "Not there",
    "409": "In conflict with what is there",
    "413": "Too large",
    "415": "Another content type is expected",
    "422": "A value is not allowed; `field` names it",
    "429": "Too many attempts",
    "503": "Not now",
}


def document(routes: Iterable[Route], version: str) -> dict[str, Any]:
    """Describe every route that is not a page."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if not route.page:
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "bssci",
            "version": version,
            "description": "The API of a mioty service center. Roles: viewer reads, operator also changes "
            "sensors and sends commands, admin everything. EUIs are 16 hexadecimal digits.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Error": dict(ERROR)},
            "responses": {
                name: {
                    "description": text,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                }
                for name, text in _ERRORS.items()
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
                "csrf": {"type": "apiKey", "in": "header", "name": CSRF_HEADER},
            },
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    schema = dict(route.answer)
    responses: dict[str, Any] = {
        "200": {
            "description": "Done",
            "content": {route.content_type: {"schema": schema}}
            | {kind: {"schema": dict(TEXT)} for kind in route.also},
        }
    }
    if route.path == "/readyz":
        responses["503"] = {
            "description": "Not ready",
            "content": {route.content_type: {"schema": schema}},
        }
    if route.refusal is not None:
        responses["409"] = {
            "description": "In conflict with what is there; or no base station did it",
            "content": {"application/json": {"schema": dict(route.refusal)}},
        }
    for name in _ERRORS:
        responses.setdefault(name, {"$ref": f"#/components/responses/{name}"})
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": _operation_id(route),
        "tags": [route.path.split("/")[2] if route.path.startswith("/api/") else "health"],
        "responses": responses,
        "security": _security(route),
    }
    if route.role is not None:
        operation["x-role"] = route.role
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": dict(_PATH_SCHEMAS.get(name, {"type": "string"})),
        }
        for name in _NAME.findall(route.path)
    ]
    parameters += [
        {"name": each.name, "in": "query", "description": each.description, "schema": dict(each.schema)}
        for each in route.parameters
    ]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        content = {kind: {"schema": dict(schema)} for kind, schema in route.body.items()}
        operation["requestBody"] = {
            "description": f"At most {route.max_body} bytes",
            "required": True,
            "content": content,
        }
    return operation


def _security(route: Route) -> list[dict[str, list[str]]]:
    if route.role is None:
        return []
    session: dict[str, list[str]] = {"session": []}
    if route.changes:
        session["csrf"] = []
    return [{"token": []}, session]


def _operation_id(route: Route) -> str:
    words = re.findall(r"\w+", route.path.removeprefix("/api").replace("-", ""))
    return "_".join([route.method.lower(), *words])
