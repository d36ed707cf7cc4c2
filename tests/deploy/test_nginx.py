"""The examples for nginx, with a real nginx in front of a real service."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.browser.chromium import chromium
from tests.deploy.programs import program, run
from tests.support.running_service import RunningService, free_ports
from tests.support.tls import TLSFiles

EXAMPLES = Path(__file__).parent.parent.parent / "deploy" / "nginx"
PATIENCE = 60.0
"""s that anything may take on a busy machine"""
BELOW = "/mioty"
"""path of the example for a path of another site"""

pytestmark = [pytest.mark.parts]


class Site(NamedTuple):
    """What nginx serves.

    :ivar port: with TLS.
    :ivar plain_port: where browsers are sent on to TLS.
    """

    port: int
    plain_port: int
    service: RunningService
    upstream: socket.socket
    """takes what is sent to /mqtt, which the service does not serve here"""

    def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, http.client.HTTPSConnection]:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=PATIENCE, context=ssl._create_unverified_context()
        )
        sent = None if body is None else json.dumps(body)
        if sent is not None:
            headers["Content-Type"] = "application/json"
        connection.request(
            method, path, sent, {name.replace("_", "-"): text for name, text in headers.items()}
        )
        return connection.getresponse(), connection

    def log_in(self, path: str = "/api/login") -> tuple[str, str]:
        """The cookie to send, and the whole of how it was set."""
        answer, connection = self.ask(
            "POST", path, {"username": self.service.user, "password": self.service.password}
        )
        assert answer.status == 200, answer.read()
        connection.close()
        cookie = answer.headers["Set-Cookie"]
        return cookie.partition(";")[0], cookie


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    nginx = program("nginx", "nginx-light")
    directory = tmp_path_factory.mktemp("nginx")
    # nginx's workers may be of another user.
    shutil.copytree(EXAMPLES, directory / "examples")
    tls = TLSFiles(directory)
    (directory / "service").mkdir()
    with (
        RunningService(directory / "service", "--trusted-proxies=127.0.0.1") as service,
        socket.create_server(("127.0.0.1", 0)) as upstream,
    ):
        upstream.settimeout(PATIENCE)
        port, plain_port = free_ports(2)
        address = service.url.removeprefix("http://")
        own, below = (
            (EXAMPLES / name).read_text().replace("127.0.0.1:5000", address)
            for name in ("bssci.conf", "bssci-subpath.conf")
        )
        for example, here in (
            ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
            ("listen 80;", f"listen 127.0.0.1:{plain_port};"),
            ("/etc/nginx/tls/sc.example.pem", str(tls.certificate)),
            ("/etc/nginx/tls/sc.example.key", str(tls.key)),
        ):
            assert example in own, example
            own = own.replace(example, here)
        name = "server_name sc.example;"
        own = own.replace(name, f"{name} include {directory}/below.conf;", 1)
        other = "{}:{}".format(*upstream.getsockname())
        own = re.sub(r"(location = /mqtt \{\s+proxy_pass http://)bssci;", rf"\g<1>{other};", own)
        (directory / "below.conf").write_text(below.replace(f"{address}/mqtt;", f"{other}/mqtt;"))
        (directory / "site.conf").write_text(own)
        configuration = directory / "nginx.conf"
        temporary = "\n".join(
            f"{kind}_temp_path {directory}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        configuration.write_text(
            f"daemon off; pid {directory}/pid; error_log stderr; worker_processes 1;\n"
            + (f"user {os.environ.get('USER', 'root')};\n" if os.getuid() == 0 else "")
            + "events {}\nhttp { access_log off;\n"
            + f"{temporary}\ninclude {directory}/site.conf; }}\n"
        )
        run(nginx, "-t", "-c", configuration, "-e", "stderr")
        process = subprocess.Popen([nginx, "-c", str(configuration), "-e", "stderr"])
        try:
            _until_open(process, port)
            yield Site(port, plain_port, service, upstream)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _until_open(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None and time.monotonic() < end


def test_pages_and_api_with_a_cookie_for_tls_only(site: Site) -> None:
    cookie, whole = site.log_in()
    assert "; secure" in whole.lower() and "; path=/;" in whole.lower()
    for path in ("/", "/stations", "/api/sensors"):
        answer, connection = site.ask("GET", path, Cookie=cookie)
        assert answer.status == 200, path
        connection.close()


def test_plain_http_is_sent_on_to_tls(site: Site) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.plain_port, timeout=PATIENCE)
    connection.request("GET", "/stations?state=offline", headers={"Host": "sc.example"})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Location"]) == (301, "https://sc.example/stations?state=offline")
    connection.close()


def test_metrics_are_not_for_the_internet(site: Site) -> None:
    answer, connection = site.ask("GET", "/metrics")
    assert answer.status == 404
    connection.close()


@pytest.mark.parametrize("below", ["", BELOW])
def test_live_events_come_at_once(site: Site, below: str) -> None:
    cookie, _ = site.log_in(f"{below}/api/login")
    answer, connection = site.ask("GET", f"{below}/api/live", Cookie=cookie)
    assert answer.status == 200
    # The whole of it would come at the end, which never is.
    assert answer.readline().startswith(b"retry: ")
    lines = [answer.readline() for _ in range(3)]
    assert b"event: hello\n" in lines
    connection.close()


def test_everything_under_a_path_of_another_site(site: Site) -> None:
    cookie, whole = site.log_in(f"{BELOW}/api/login")
    assert "; path=/mioty;" in whole.lower() and "; secure" in whole.lower()
    todo, seen = [f"{BELOW}/"], set()
    while todo:
        path = todo.pop()
        seen.add(path)
        answer, connection = site.ask("GET", path, Cookie=cookie)
        assert answer.status == 200, path
        if answer.headers["Content-Type"].startswith("text/html"):
            text = answer.read().decode()
            links = re.findall(r'\b(?:href|src|action)="([^"#?]*)', text)
            assert all(link.startswith((f"{BELOW}/", "data:")) for link in links if link), links
            once = {link for link in links if link and not link.endswith(("/logout", "/backup"))}
            todo += sorted(once - seen - set(todo))
        connection.close()
    assert {f"{BELOW}/stations", f"{BELOW}/static/app.js", f"{BELOW}/api/sensors/export"} <= seen


@pytest.mark.parametrize("asked", ["", "/sensors"])
def test_redirects_under_a_path(site: Site, asked: str) -> None:
    answer, connection = site.ask("GET", f"{BELOW}{asked}")
    expected = (301, f"https://127.0.0.1{BELOW}/") if not asked else (303, f"{BELOW}/login?next=%2Fsensors")
    assert answer.status == expected[0]
    assert answer.headers["Location"].replace(f":{site.port}", "") == expected[1]
    connection.close()


def test_the_audit_log_names_the_client_and_not_what_it_made_up(site: Site) -> None:
    body = {"username": site.service.user, "password": site.service.password}
    answer, connection = site.ask(
        "POST", "/api/login", body, X_Forwarded_For="203.0.113.9", X_Forwarded_Prefix="/evil"
    )
    assert "Path=/;" in answer.headers["Set-Cookie"]
    connection.close()
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    answer, connection = site.ask("GET", "/api/audit?action=login", Cookie=cookie)
    assert {entry["address"] for entry in json.loads(answer.read())["entries"]} == {"127.0.0.1"}
    connection.close()


def test_a_browser_under_a_path(site: Site) -> None:
    with chromium() as browser:
        page = browser.new_context(
            base_url=f"https://127.0.0.1:{site.port}", ignore_https_errors=True
        ).new_page()
        page.set_default_timeout(PATIENCE * 1000)
        stray: list[str] = []
        page.on(
            "request",
            lambda it: BELOW in it.url or it.url.startswith(("data:", "blob:")) or stray.append(it.url),
        )
        page.goto(f"{BELOW}/live")
        page.get_by_label("User name").fill(site.service.user)
        page.get_by_label("Password").fill(site.service.password)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"**{BELOW}/live")
        # Events of the simulated base station come by SSE.
        page.locator("[data-live-rows] > *").nth(2).wait_for()
        page.locator(".freshness[data-state=fresh]").wait_for()
        page.goto(f"{BELOW}/sensors/new?eui=70B3D56770110009")
        page.get_by_label("Network key").first.fill("00112233445566778899AABBCCDDEEFF")
        page.get_by_label("Short address").first.fill("0009")
        page.get_by_role("button", name="Add and attach").click()
        page.wait_for_url(f"**{BELOW}/sensors/70B3D56770110009")
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url(f"**{BELOW}/login")
    assert not stray


@pytest.mark.parametrize("below", ["", BELOW])
def test_websocket_connections_pass(site: Site, below: str) -> None:
    with ssl._create_unverified_context().wrap_socket(
        socket.create_connection(("127.0.0.1", site.port), PATIENCE)
    ) as client:
        client.sendall(
            f"GET {below}/mqtt HTTP/1.1\r\nHost: sc.example\r\n".encode()
            + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
        )
        server, _ = site.upstream.accept()
        with server:
            server.settimeout(PATIENCE)
            head = server.recv(4096).lower()
            assert head.startswith(b"get /mqtt ")
            assert b"\r\nupgrade: websocket\r\n" in head and b"\r\nconnection: upgrade\r\n" in head
            assert b"\r\nsec-websocket-protocol: mqtt\r\n" in head
            assert b"\r\nx-forwarded-proto: https\r\n" in head
            server.sendall(b"HTTP/1.1 101 Switching Protocols\r\n")
            server.sendall(b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 101")
            server.sendall(b"\x82\x02\x20\x00")
            assert client.recv(100) == b"\x82\x02\x20\x00"
            client.sendall(b"\x82\x00")
            assert server.recv(100) == b"\x82\x00"
