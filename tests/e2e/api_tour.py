"""One request to each route of the API of a running service, and what was answered.

``python -m tests.e2e.api_tour`` prints docs/api-examples.md.
"""

from __future__ import annotations

import http.client
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from paho.mqtt import publish

from tests.support.controllers import TABLES
from tests.support.running_service import SENSOR, STATION, RunningService

EUI = str(SENSOR["eui"])
OTHER, WRONG, FIRST = "70B3D59CD0000002", "70B3D59CD0000003", "70B3D59CD0000004"
NEW_STATION = "CAFEBA5E00000002"
MAC = "0a1b2c3d4e5f"
PIN = f"f2:{MAC}/J1/3"
DEVICE, GATEWAY = "ble:AA:BB:CC:DD:EE:FF", "scanner:roof"
HEARTBEAT = {
    "version": "1.0",
    "timestamp": "2026-11-28T20:01:00.000Z",
    "scanner_id": "roof",
    "status": "online",
}
"""of a scanner, which is a gateway"""
LONGEST_TEXT = 160
"""characters of a text that are shown"""
LINES = 9
"""lines of an answer that is no JSON; so many has a stream up to its first event"""
WIDTH = 150
JSON = "application/json"
STREAM = "text/event-stream"
SECRET = re.compile(
    r"bssci_[\w-]{20,}|\b[0-9A-F]{32}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*-----|\Z)",
    re.I | re.S,
)
SECRET_FIELDS = ("password", "new_password", "csrf", "token", "nwKey")
MASKED = "********"
"""as the service itself shows a secret"""
HEAD = """# Examples of the HTTP API

One request to each route of a running service, and its answer, as `make docs` captured them; a test holds the
fields against a running service. Of lists the first entry is shown, of long texts the beginning,
of secrets nothing. [api.md](api.md) explains, the page *API* of the web admin describes every field.
"""


class Step(NamedTuple):
    """A request."""

    route: str
    """method and path as they are described"""
    path: str = ""
    """the path that is asked for, with its query; empty: that of the route"""
    body: Any = None
    content_type: str = JSON
    by_session: bool = False
    """with the session of somebody who has logged in, not with a token"""


class Example(NamedTuple):
    """A request, and the answer to it."""

    step: Step
    path: str
    status: int
    content_type: str
    answer: Any
    """an object where it is JSON, else text"""


def of_sessions(found: dict[str, Any]) -> Iterator[Step]:
    """Yield requests about the session and the service as a whole."""
    yield Step("POST /api/setup", body={"token": "none", "username": "first", "password": "ten or more"})
    yield Step("POST /api/login", body={"username": found["user"], "password": found["password"]})
    yield Step("GET /api/me", by_session=True)
    yield Step("GET /api/sessions", by_session=True)
    yield Step("DELETE /api/sessions/{id}", f"/api/sessions/{found['other_session']}", by_session=True)
    yield Step("DELETE /api/sessions", by_session=True)
    password = {"password": found["password"], "new_password": "another long password"}
    yield Step("POST /api/me/password", body=password, by_session=True)
    yield Step("POST /api/logout", by_session=True, body={})
    yield Step("GET /healthz")
    yield Step("GET /readyz")
    yield Step("GET /api/dashboard", "/api/dashboard?range=hour")
    yield Step("GET /api/bssci/status")
    yield Step("GET /api/service/status")
    yield Step("GET /api/history", "/api/history?metric=uplinks&range=hour")
    yield Step("GET /metrics")
    yield Step("GET /api/openapi.json")
    yield Step("GET /api/asyncapi.json")
    yield Step("GET /api/schemas/{name}.json", "/api/schemas/telemetry.json")
    yield Step("GET /api/logs", "/api/logs?limit=1")
    yield Step("GET /api/audit", "/api/audit?limit=1")


def of_accounts(found: dict[str, Any]) -> Iterator[Step]:
    """Yield requests about accounts and tokens."""
    account = {"name": "vera", "role": "viewer", "password": "a password of vera"}
    yield Step("POST /api/accounts", body=account)
    yield Step("GET /api/accounts")
    yield Step("POST /api/accounts/{name}", "/api/accounts/vera", {"role": "operator"})
    yield Step("DELETE /api/accounts/{name}", "/api/accounts/vera")
    yield Step("POST /api/tokens", body={"name": "meter-import", "role": "operator"})
    yield Step("GET /api/tokens")
    yield Step("DELETE /api/tokens/{name}", "/api/tokens/meter-import")
    yield Step("POST /api/mqtt-tokens", body={"name": "wall", "expires_in_days": 30, "tags": ["cellar"]})
    yield Step("GET /api/mqtt-tokens")
    path = f"/api/mqtt-tokens/{found['POST /api/mqtt-tokens']['token_id']}"
    yield Step("GET /api/mqtt-tokens/{id}", path)
    yield Step("DELETE /api/mqtt-tokens/{id}", path)


def of_sensors(found: dict[str, Any]) -> Iterator[Step]:
    """Yield requests about sensors."""
    entry = {"eui": OTHER, "nwKey": "0F" * 16, "shortAddr": "0002", "bidi": True, "name": "Cellar"}
    yield Step("GET /api/sensors", "/api/sensors?per_page=1")
    yield Step("GET /api/sensors/{eui}", f"/api/sensors/{EUI}")
    yield Step("GET /api/sensors/{eui}/uplinks", f"/api/sensors/{EUI}/uplinks?limit=1")
    yield Step("GET /api/sensors/{eui}/history", f"/api/sensors/{EUI}/history?limit=1")
    yield Step("GET /api/sensors/{eui}/signal", f"/api/sensors/{EUI}/signal?range=hour")
    yield Step("GET /api/sensors/unknown")
    yield Step("GET /api/sensors/wrong")
    yield Step("POST /api/sensors", body=entry)
    yield Step("PATCH /api/sensors/{eui}", f"/api/sensors/{OTHER}", {"name": "Meter 7", "tags": ["cellar"]})
    yield Step("POST /api/sensors/{eui}/reveal", f"/api/sensors/{OTHER}/reveal", {})
    yield Step("POST /api/sensors/{eui}/attach", f"/api/sensors/{OTHER}/attach", {})
    downlink = {"data": [1, 255], "expires_in": 3600, "ref": "valve 7"}
    yield Step("POST /api/sensors/{eui}/downlink", f"/api/sensors/{OTHER}/downlink", downlink)
    yield Step("GET /api/sensors/{eui}/downlinks", f"/api/sensors/{OTHER}/downlinks")
    number = found["POST /api/sensors/{eui}/downlink"]["queId"]
    yield Step("DELETE /api/sensors/{eui}/downlink/{queId}", f"/api/sensors/{OTHER}/downlink/{number}")
    yield Step("POST /api/sensors/{eui}/detach", f"/api/sensors/{OTHER}/detach", {})
    yield Step("POST /api/sensors/import", "/api/sensors/import?dry_run=1", [entry])
    yield Step("GET /api/sensors/export", "/api/sensors/export?format=json")
    yield Step("POST /api/sensors/bulk", body={"action": "attach", "sensors": [OTHER]})
    edit = {"sensors": [OTHER], "add_tags": ["roof"]}
    yield Step("PATCH /api/sensors", "/api/sensors?dry_run=1", edit)
    yield Step("POST /api/sensors/attach-all", body={})
    yield Step("POST /api/sensors/detach-all", body={})
    yield Step("POST /api/sensors/reload", body={})
    yield Step("DELETE /api/sensors/{eui}", f"/api/sensors/{OTHER}")


def of_devices(found: dict[str, Any]) -> Iterator[Step]:
    """Yield requests about devices and gateways."""
    yield Step("PATCH /api/devices/{id}", f"/api/devices/{DEVICE}", {"name": "Fridge", "tags": ["kitchen"]})
    yield Step("GET /api/devices", "/api/devices?per_page=1&kind=ble")
    yield Step("GET /api/devices/{id}", f"/api/devices/{DEVICE}")
    readings = f"/api/devices/mioty:{EUI}/readings?limit=1"
    yield Step("GET /api/devices/{id}/readings", readings)
    yield Step(
        "POST /api/devices/{id}/command", f"/api/devices/{DEVICE}/command", {"power-flag": 1, "period": 5}
    )
    yield Step("POST /api/devices/import", "/api/devices/import?dry_run=1", TABLES)
    yield Step("POST /api/devices/{id}/move", f"/api/devices/{PIN}/move", {"to": f"f2:{MAC}/J1/4"})
    yield Step("DELETE /api/devices/{id}", f"/api/devices/{DEVICE}")
    yield Step("GET /api/gateways")
    yield Step("GET /api/gateways/{id}", f"/api/gateways/{GATEWAY}")
    yield Step("PATCH /api/gateways/{id}", f"/api/gateways/{GATEWAY}", {"name": "Roof"})
    yield Step("POST /api/gateways/{id}/command", f"/api/gateways/{GATEWAY}/command", {"command": "pause"})
    yield Step("DELETE /api/gateways/{id}", f"/api/gateways/{GATEWAY}")


def of_certified_devices(found: dict[str, Any]) -> Iterator[Step]:
    """Yield requests about devices with certificates of ours."""
    yield Step("POST /api/provisioned", body={"id": MAC, "serial_number": "A-17"})
    name = found["POST /api/provisioned"]["device"]["id"]
    yield Step("GET /api/provisioned")
    yield Step("GET /api/provisioned/{id}", f"/api/provisioned/{name}")
    yield Step("POST /api/provisioned/{id}/bundle", f"/api/provisioned/{name}/bundle", {})
    yield Step("GET /api/provisioned/{id}/qr", f"/api/provisioned/{name}/qr")
    yield Step("POST /api/provisioned/{id}/renew", f"/api/provisioned/{name}/renew", {})
    yield Step("POST /api/provisioned/{id}/revoke", f"/api/provisioned/{name}/revoke", {})
    yield Step("GET /api/broker/{file}", "/api/broker/devices.acl")


def of_decoders(found: dict[str, Any]) -> Iterator[Step]:
    """Yield requests about decoders."""
    yield Step("PUT /api/decoders/{name}", "/api/decoders/tank", {"source": found["decoder"], "kind": "json"})
    yield Step("GET /api/decoders")
    yield Step("GET /api/decoders/{name}", "/api/decoders/tank")
    yield Step("POST /api/decoders/try", body={"name": "cayenne", "payload": "0167 00E1"})
    yield Step("DELETE /api/decoders/{name}", "/api/decoders/tank")


def of_events(found: dict[str, Any]) -> Iterator[Step]:
    """Yield requests about what happened."""
    yield Step("GET /api/events", "/api/events?kind=uplink&limit=1")
    number = found["GET /api/events"]["events"][0]["seq"]
    yield Step("GET /api/events/{seq}", f"/api/events/{number}")
    yield Step("GET /api/events/export", "/api/events/export?kind=station-state")
    yield Step("GET /api/live", "/api/live?kind=uplink")
    yield Step("GET /api/alarms")
    alarm = found["GET /api/alarms"]["alarms"][0]["id"]
    yield Step("POST /api/alarms/{id}/acknowledge", f"/api/alarms/{alarm}/acknowledge", {})
    yield Step("POST /api/alarms/acknowledge", body={"ids": [alarm]})
    span = {"sink": "mqtt", "from": "2026-01-01T00:00:00Z", "to": "2036-01-01T00:00:00Z", "publish": True}
    yield Step("POST /api/alarms/test", body={})
    yield Step("POST /api/replays", body=span)
    yield Step("GET /api/replays")
    yield Step("DELETE /api/replays/{id}", "/api/replays/99")


def of_stations(found: dict[str, Any]) -> Iterator[Step]:
    """Yield requests about base stations."""
    yield Step("GET /api/base_stations")
    yield Step("GET /api/base_stations/{eui}", f"/api/base_stations/{STATION}")
    yield Step("GET /api/base_stations/{eui}/history", f"/api/base_stations/{STATION}/history?range=hour")
    new = {"eui": NEW_STATION, "name": "Roof", "location": {"lat": 48.1, "lon": 11.5}}
    yield Step("POST /api/base_stations", body=new)
    yield Step(
        "PATCH /api/base_stations/{eui}", f"/api/base_stations/{NEW_STATION}", {"note": "ladder needed"}
    )
    yield Step("POST /api/base_stations/import", "/api/base_stations/import?dry_run=1", [new])
    yield Step("GET /api/base_stations/export", "/api/base_stations/export?format=json")
    yield Step("DELETE /api/base_stations/{eui}", f"/api/base_stations/{NEW_STATION}")


def of_settings(found: dict[str, Any]) -> Iterator[Step]:
    """Yield requests about settings and certificates."""
    yield Step("GET /api/config")
    yield Step("POST /api/config", "/api/config?dry_run=1", {"STATUS_INTERVAL": 120})
    yield Step("POST /api/config/test/{group}", "/api/config/test/mqtt", {})
    yield Step("GET /api/certificates/status")
    yield Step("POST /api/certificates/check", body={})
    yield Step("GET /api/certificates/download/{file}", "/api/certificates/download/ca")
    yield Step("GET /api/certificates/backup")
    yield Step("POST /api/certificates/station/{eui}", f"/api/certificates/station/{NEW_STATION}", {})
    yield Step("POST /api/certificates/generate", "/api/certificates/generate?dry_run=1", {})
    yield Step(
        "POST /api/certificates/upload/{type}", "/api/certificates/upload/server?dry_run=1", found["pair"]
    )
    yield Step(
        "POST /api/certificates/restore",
        "/api/certificates/restore?dry_run=1",
        found["archive"],
        "application/zip",
    )
    yield Step("POST /api/certificates/revoke", body={"eui": NEW_STATION})
    yield Step("POST /api/sensors/clear", body={"confirm": "CLEAR ALL"})


def steps(found: dict[str, Any]) -> Iterator[Step]:
    """Yield every request; what later ones need of earlier answers is in ``found``."""
    yield from of_sessions(found)
    yield from of_accounts(found)
    yield from of_sensors(found)
    yield from of_devices(found)
    yield from of_certified_devices(found)
    yield from of_decoders(found)
    yield from of_events(found)
    yield from of_stations(found)
    yield from of_settings(found)


class Tour:
    """Asks a running service for everything."""

    def __init__(self, service: RunningService) -> None:
        self._host = urlsplit(service.url).netloc
        self._token = service.command("token", "create", "tour", "--role", "admin").strip()
        self._cookie = self._csrf = ""
        self.found: dict[str, Any] = {"user": service.user, "password": service.password}

    def log_in(self) -> None:
        """Log in twice: one session is ended by the other."""
        body = {"username": self.found["user"], "password": self.found["password"]}
        for _ in range(2):
            _, headers, answer = self._ask("POST", "/api/login", json.dumps(body).encode(), JSON, {})
            self._cookie = headers["Set-Cookie"].partition(";")[0]
            self._csrf = json.loads(answer)["csrf"]
        _, _, answer = self._ask("GET", "/api/sessions", None, "", {"Cookie": self._cookie})
        sessions = json.loads(answer)["sessions"]
        self.found["other_session"] = next(each["id"] for each in sessions if not each["current"])

    def take(self, step: Step) -> Example:
        """Make a request."""
        method, _, route = step.route.partition(" ")
        path = step.path or route
        data = step.body if isinstance(step.body, bytes) else json.dumps(step.body).encode()
        if step.by_session:
            who = {"Cookie": self._cookie, "X-CSRF-Token": self._csrf}
        else:
            who = {"Authorization": f"Bearer {self._token}"}
        status, headers, answer = self._ask(
            method, path, None if step.body is None else data, step.content_type, who
        )
        kind = headers.get("Content-Type", "").partition(";")[0]
        told = json.loads(answer) if kind == JSON else answer.decode(errors="replace")
        self.found[step.route] = told
        if step.by_session and isinstance(told, dict) and told.get("csrf"):
            self._csrf = told["csrf"]
            self._cookie = headers.get("Set-Cookie", self._cookie).partition(";")[0]
        if step.route == "GET /api/certificates/backup":
            self.found["archive"] = answer
        return Example(step, path, status, kind, told)

    def _ask(
        self, method: str, path: str, body: bytes | None, content_type: str, headers: dict[str, str]
    ) -> tuple[int, Any, bytes]:
        connection = http.client.HTTPConnection(self._host, timeout=60)
        try:
            sent = headers | ({} if body is None else {"Content-Type": content_type})
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            if answer.headers.get("Content-Type", "").startswith(STREAM):
                return answer.status, answer.headers, b"".join(_first_event(answer))
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()


def _first_event(stream: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield the lines of a stream up to the end of its first event that has a number."""
    is_event = False
    while line := stream.readline():
        yield line
        is_event = is_event or line.startswith(b"event: uplink")
        if is_event and not line.strip():
            return


def capture(directory: Path) -> list[Example]:
    """Return an example of each route, of a service that was made for it."""
    sensors = [SENSOR, {"eui": WRONG, "nwKey": "12"}]
    with RunningService(directory, "--sources=mqtt", "--source-mqtt-broker=127.0.0.1") as service:
        (service.directory / "endpoints.json").write_text(json.dumps(sensors))
        tour = Tour(service)
        certs = service.directory / "certs"
        names = {"certificate": "service_center_cert.pem", "key": "service_center_key.pem"}
        tour.found["pair"] = {name: (certs / file).read_text() for name, file in names.items()}
        tour.found["decoder"] = (Path(__file__).parents[2] / "decoders" / "water-meter.json").read_text()
        tour.take(Step("POST /api/sensors/reload", body={}))
        tour.take(Step("PATCH /api/devices/{id}", f"/api/devices/{PIN}", {"name": "Bed 3"}))
        tour.log_in()
        topic = "bt-mqtt/scanner/roof/status"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            # Until the source hears it: one that the broker has retained would be an old report.
            publish.single(topic, json.dumps(HEARTBEAT), 1, port=service.mqtt_port)
            heard = tour.take(Step("GET /api/sensors/{eui}/uplinks", f"/api/sensors/{EUI}/uplinks?limit=1"))
            alarms = tour.take(Step("GET /api/alarms"))
            gateways = tour.take(Step("GET /api/gateways"))
            if heard.answer["uplinks"] and alarms.answer["alarms"] and gateways.answer["gateways"]:
                break
            time.sleep(0.5)
        return [tour.take(step) for step in steps(tour.found)]


def shortened(answer: Any) -> Any:
    """Return the first entry of lists, the beginning of long texts, and no secret."""
    if isinstance(answer, dict):
        return {
            name: "…" if name in SECRET_FIELDS and value != MASKED else shortened(value)
            for name, value in answer.items()
        }
    if isinstance(answer, list):
        return [shortened(each) for each in answer[:1]]
    if isinstance(answer, str):
        text = SECRET.sub("…", answer)
        return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
    return answer


def wrapped(answer: Any) -> str:
    """Return JSON in lines of a readable length, broken between values."""
    text = json.dumps(answer, ensure_ascii=False)
    lines, line = [], ""
    for part in re.findall(r'(?:"(?:[^"\\]|\\.)*"|[^",]|,(?! ))+(?:, |$)', text):
        if line and len(line) + len(part.rstrip()) > WIDTH:
            lines.append(line.rstrip())
            line = " "
        line += part
    return "\n".join([*lines, line])


DOCUMENTS = ("GET /api/openapi.json", "GET /api/asyncapi.json")
"""answers of which the parts are named only"""


def markdown(examples: list[Example]) -> str:
    """Return the document."""
    parts = [HEAD]
    for each in examples:
        request = f"{each.step.route.partition(' ')[0]} {each.path}"
        if each.step.body is not None and not isinstance(each.step.body, bytes):
            request += f"\n\n{json.dumps(shortened(each.step.body), ensure_ascii=False)}"
        if each.content_type == JSON:
            answer = each.answer
            if each.step.route in DOCUMENTS:
                answer = dict.fromkeys(answer, "…")
            shown = f"```json\n{wrapped(shortened(answer))}\n```"
        elif "zip" in each.content_type:
            shown = "```text\n(an archive)\n```"
        else:
            longest = None if each.content_type == STREAM else LONGEST_TEXT
            lines = [SECRET.sub("…", line)[:longest] for line in each.answer.splitlines()[:LINES]]
            shown = "```text\n" + "\n".join(lines) + "\n```"
        head = f"## {each.step.route}\n\n```http\n{request}\n```\n"
        parts.append(f"{head}\n{each.status} `{each.content_type}`\n\n{shown}\n")
    return "\n".join(parts)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        sys.stdout.write(markdown(capture(Path(directory))))


if __name__ == "__main__":
    main()
