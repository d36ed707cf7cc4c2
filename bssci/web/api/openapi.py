"""``/api/openapi.json``, from the table of routes and the types of their queries, bodies and answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import msgspec

from bssci.web.api.schemas.common import EVENT
from bssci.web.api.schemas.settings import OneSetting
from bssci.web.api.schemas.status import FixedStatus, SinkTarget
from bssci.web.http.guard import CSRF_HEADER
from bssci.web.http.reading import EUI_PATTERN, form_fields
from bssci.web.http.replies import RefusedAnswer, Streamed
from bssci.web.http.routing import JSON, REFERENCE, Route, Schema
from bssci.web.live.sentences import KINDS

_NAME = re.compile(r"\{(\w+)\}")
_EUI: Schema = {"type": "string", "pattern": EUI_PATTERN, "examples": ["70B3D56770111505"]}
_TEXT: Schema = {"type": "string"}
_PATH_SCHEMAS: Mapping[str, Schema] = {
    "eui": _EUI,
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
    "422": "A value is not allowed; `field` names it, `errors` all of them if they are many",
    "429": "Too many attempts, or too much at once",
    "503": "Not now",
}
_EVENT: Schema = {
    "title": EVENT,
    "type": "object",
    "description": "Something that happened, with the fields of its kind as MQTT payloads name them",
    "required": ["seq", "kind", "timestamp", "title", "names"],
    "properties": {
        "seq": {"type": "integer", "minimum": 1},
        "kind": {"type": "string", "examples": list(KINDS)},
        "timestamp": {"type": "number", "description": "Unix seconds"},
        "title": {"type": "string", "description": "the event in a sentence"},
        "names": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "of the sensor, the base stations and the device in it, by EUI or id",
        },
        "values": {"type": "string", "description": "readings as text, or the reason why there are none"},
        "sensor_eui": _EUI,
        "base_station_eui": {"anyOf": [_EUI, {"type": "null"}]},
    },
}


def openapi_document(routes: Iterable[Route], version: str, cookie: str) -> dict[str, Any]:
    """Return the OpenAPI document of every route that is not a page.

    :param cookie: name of the session's cookie.
    """
    described = [route for route in routes if not route.page]
    types: list[Any] = [RefusedAnswer, OneSetting, FixedStatus, SinkTarget]
    for route in described:
        types += [*_readable(route), route.refusal]
    schemas = _schemas_of(tuple(types))
    paths: dict[str, dict[str, Any]] = {}
    for route in described:
        if route.body is not None:
            # A field that is not known is refused; a body that keeps such fields is read by its handler.
            schemas.components[route.body.__name__]["additionalProperties"] = False
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
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
            "schemas": schemas.components,
            "responses": {
                name: {"description": text, "content": _json(schemas.of(RefusedAnswer))}
                for name, text in _ERRORS.items()
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": cookie},
                "csrf": {"type": "apiKey", "in": "header", "name": CSRF_HEADER},
            },
        },
    }


class _Schemas:
    """The JSON schemas of all queries, bodies and answers.

    :ivar components: schemas by name, to which those of the types refer.
    """

    def __init__(self, types: tuple[Any, ...]) -> None:
        # Fields of queries are shown one by one, with what they refer to.
        self._types = types
        found, self.components = msgspec.json.schema_components(types, ref_template=REFERENCE)
        self._found = found
        self.components[EVENT] = dict(_EVENT)
        for schema in (found, self.components):
            _put_plainly(schema)

    def of(self, kind: Any) -> Schema:
        """Return the schema of one of the types."""
        return self._found[next(place for place, each in enumerate(self._types) if each == kind)]


@cache
def _schemas_of(types: tuple[Any, ...]) -> _Schemas:
    """Return the schemas of these types, cached, as making them takes too long for the reactor."""
    return _Schemas(types)


def _put_plainly(schema: Any) -> None:
    """Rewrite schemas in the subset that generators of clients understand.

    A list of fixed length needs no word on further items, a list of anything says so, and what is always
    answered with the same truth value is a truth value that is there: as a constant, OpenAPI Generator takes
    it for the text "true".
    """
    if isinstance(schema, dict):
        if schema.get("items") is False and schema.get("maxItems") == len(schema.get("prefixItems", ())):
            del schema["items"]
        elif schema.get("type") == "array" and not {"items", "prefixItems"} & schema.keys():
            schema["items"] = {}
        for name, each in schema.get("properties", {}).items():
            if each.get("enum") in ([True], [False]):
                schema["properties"][name] = {"type": "boolean"}
                schema["required"] = [*schema.get("required", ()), name]
    for each in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(each, dict | list | tuple):
            _put_plainly(each)


def _readable(route: Route) -> list[Any]:
    """Return the types of a route that are JSON or text."""
    answer = [] if route.answer in (None, bytes, Streamed) else [route.answer]
    return [*answer, *(each for each in route.bodies.values() if each is not bytes)]


def _operation(route: Route, schemas: _Schemas) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": "Done", "content": _answers(route, schemas)}}
    if route.path == "/readyz":
        responses["503"] = {"description": "Not ready", "content": _answers(route, schemas)}
    if route.refusal is not RefusedAnswer:
        responses["409"] = {
            "description": "In conflict with what is there; or no base station did it",
            "content": _json(schemas.of(route.refusal)),
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
        {"name": name, "in": "path", "required": True, "schema": dict(_PATH_SCHEMAS.get(name, _TEXT))}
        for name in _NAME.findall(route.path)
    ]
    parameters += [
        {"name": each.name, "in": "query", "description": each.description, "schema": dict(each.schema)}
        for each in route.parameters
    ]
    if parameters:
        operation["parameters"] = parameters
    if route.bodies:
        operation["requestBody"] = {
            "description": f"At most {route.max_body} bytes",
            "required": _needs_body(route),
            "content": {
                kind: {"schema": _binary(kind) if form is bytes else schemas.of(form)}
                for kind, form in route.bodies.items()
            },
        }
    return operation


def _needs_body(route: Route) -> bool:
    """Return whether a request without a body is refused."""
    return route.body is None or any(each.required for each in form_fields(route.body).values())


def _answers(route: Route, schemas: _Schemas) -> dict[str, Any]:
    """Return the schema of a successful answer, by content type."""
    is_file = route.answer in (bytes, Streamed)
    schema = _binary(route.content_type) if is_file else schemas.of(route.answer)
    return {route.content_type: {"schema": schema}} | {kind: {"schema": dict(_TEXT)} for kind in route.also}


def _binary(content_type: str) -> Schema:
    return {"type": "string", "format": "binary"} if content_type.endswith("zip") else _TEXT


def _json(schema: Schema) -> dict[str, Any]:
    return {JSON: {"schema": schema}}


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
