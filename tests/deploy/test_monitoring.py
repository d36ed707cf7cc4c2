"""Alert rules and dashboard: each name that they use is in ``/metrics``, and each query gives an answer."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from bssci.model import StationState
from tests.deploy.programs import program, run
from tests.support.journal import uplink
from tests.support.running_service import RunningService, free_ports
from tests.support.web import WebHouse, make_web_house, web

__all__ = ["make_web_house", "web"]

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
RULES = DEPLOY / "prometheus" / "bssci.rules.yml"
SCRAPING = DEPLOY / "prometheus" / "prometheus.yml"
DASHBOARD = DEPLOY / "grafana" / "bssci.json"
TESTED = Path(__file__).parent / "bssci.rules.test.yml"
STATION = "70B3D59CD0000001"
PATIENCE = 60.0
"""s that Prometheus may take on a busy machine"""
FROM_PROMETHEUS = {"job", "instance", "le"}
"""labels that Prometheus adds, and that of a histogram's buckets"""
RARE = {
    "bssci_station_connections_refused_total": {"reason": "handshake"},
    "bssci_web_answers_total": {"method": "GET", "route": "/readyz", "status": "503"},
    "bssci_events_total": {"kind": "uplink"},
    "bssci_station_receptions_total": {"station": STATION},
    "bssci_station_errors_total": {"station": STATION, "direction": "sent", "code": "22"},
    "bssci_downlinks": {"state": "queued"},
    "bssci_source_telegrams_total": {"source": "mqtt", "outcome": "kept"},
    "bssci_source_waiting": {"source": "mqtt"},
    "bssci_source_failing": {"source": "mqtt"},
    "bssci_source_held_back": {"source": "mqtt"},
    "bssci_source_journal_bytes": {"source": "mqtt"},
    "bssci_requests_oldest_seconds": {"sink": "mqtt"},
    "bssci_requests_backlog": {"sink": "mqtt"},
    "bssci_requests_answered_total": {"sink": "mqtt"},
    "bssci_requests_failed_total": {"sink": "mqtt"},
    "bssci_mqtt_ended_total": {"reason": "bad_token"},
    "bssci_provisioning_total": {"action": "add", "outcome": "done"},
    "bssci_alarm_channel_failing": {"channel": "mail"},
}
"""labels that queries name, of metrics that have a line only once it has happened"""


class Query(NamedTuple):
    """An expression, and where it stands."""

    place: str
    expression: str


def alert_queries() -> list[Query]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [Query(rule["alert"], rule["expr"]) for group in groups for rule in group["rules"]]


def dashboard_queries() -> list[Query]:
    """Of panels, with the variables of the dashboard filled in as Grafana does."""
    found = [
        Query(panel["title"], target["expr"])
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel.get("targets", [])
    ]
    values = {"$job": "bssci", "$instance": ".*", "$__rate_interval": "1m"}
    for name, value in values.items():
        found = [Query(place, expression.replace(name, value)) for place, expression in found]
    return found


def names_and_labels(expression: str) -> tuple[set[str], set[str]]:
    """Metrics and labels of an expression."""
    names = set(re.findall(r"\b(?:bssci|process)_\w+", re.sub(r'"[^"]*"', '""', expression)))
    selectors = re.findall(r"\{([^}]*)\}", re.sub(r'"[^"]*"', '""', expression))
    labels = {name for selector in selectors for name in re.findall(r"(\w+)\s*[=!]", selector)}
    groupings = re.findall(r"\bby\s*\(([^)]*)\)", expression)
    return names, labels | {name.strip() for grouping in groupings for name in grouping.split(",")}


@pytest.fixture
def exposed(web: WebHouse) -> dict[str, set[str]]:
    """Labels by metric, of a service at which something has happened."""
    web.happen(StationState(base_station_eui=STATION, at=1.0, state="online"), uplink())
    assert web.browser("admin").post("/api/provisioned", {"id": "roof"}).status == 200
    text = web.browser("viewer").get("/metrics").text
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
        if not family.samples:
            suffix = "_total" if family.type == "counter" else ""
            found[family.name + suffix] = set(RARE.get(family.name + suffix, ()))
    return found


def test_each_name_is_in_the_metrics(exposed: dict[str, set[str]]) -> None:
    wrong = {}
    for query in [*alert_queries(), *dashboard_queries()]:
        names, labels = names_and_labels(query.expression)
        known = FROM_PROMETHEUS.union(*(exposed.get(name, set()) for name in names))
        if names - exposed.keys() or labels - known:
            wrong[query.place] = (names - exposed.keys(), labels - known)
        # What Prometheus makes itself.
        assert names or query.expression.startswith("up{"), query
    assert wrong == {}


def test_each_panel_and_each_alert_explains_itself() -> None:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        assert panel["type"] == "row" or panel["description"]
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("critical", "warning")
            assert rule["annotations"]["summary"] and rule["annotations"]["description"]


def test_no_panel_covers_another_and_each_has_a_number_of_its_own() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parts
def test_each_alert_fires_when_it_must_and_only_then(tmp_path: Path) -> None:
    promtool = program("promtool", "prometheus")
    for file in (RULES, TESTED):
        shutil.copy(file, tmp_path)
    run(promtool, "check", "rules", tmp_path / RULES.name)
    run(promtool, "test", "rules", tmp_path / TESTED.name)


class Prometheus:
    """A Prometheus that reads one service.

    :param scraping: its configuration, which names the rules.
    """

    def __init__(self, directory: Path, scraping: Path) -> None:
        command = [
            program("prometheus", "prometheus"),
            f"--config.file={scraping}",
            f"--storage.tsdb.path={directory}/tsdb",
            "--web.listen-address=127.0.0.1:0",
        ]
        self._process = subprocess.Popen(command, cwd=directory, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            said.append(line)
            # The line of the listener tells the port that it has.
            if found := re.search(r'msg="Listening on" address=(\S+)', line):
                self._url = f"http://{found[1]}"
            if "Server is ready" in line:
                return
        raise AssertionError("".join(said))

    def ask(self, path: str, **query: str) -> Any:
        url = f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return json.load(answer)["data"]

    def result(self, expression: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found

    def stop(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=PATIENCE)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Has read a running service several times."""
    promtool = program("promtool", "prometheus")
    directory = tmp_path_factory.mktemp("prometheus")
    (directory / "service").mkdir()
    [port] = free_ports(1)
    ports = (f"--mqtt-port={port}", f"--source-mqtt-port={port}")
    source = ("--sources=mqtt", "--source-mqtt-broker=embedded", *ports)
    with RunningService(directory / "service", *source) as service:
        token = service.directory / "token"
        token.write_text(service.command("token", "create", "prometheus", "--role", "viewer"))
        text = SCRAPING.read_text()
        for example, here in (
            ("scrape_interval: 15s", "scrape_interval: 1s"),
            ("/etc/prometheus/bssci.token", str(token)),
            ("127.0.0.1:5000", service.url.removeprefix("http://")),
            ("/etc/prometheus/bssci.rules.yml", str(RULES)),
        ):
            assert example in text
            text = text.replace(example, here)
        scraping = directory / "prometheus.yml"
        scraping.write_text(text)
        run(promtool, "check", "config", scraping)
        server = Prometheus(directory, scraping)
        try:
            end = time.monotonic() + PATIENCE
            # A rate needs two values; the simulated station brings an uplink every two seconds. The source
            # begins before the broker that the service starts.
            begun = "rate(bssci_receptions_total[1m]) > 0 and on () bssci_source_failing == 0"
            while not server.result(begun):
                assert time.monotonic() < end, server.ask("targets")
                time.sleep(0.2)
            yield server
        finally:
            server.stop()


@pytest.mark.parts
def test_the_service_is_read_and_each_query_of_the_dashboard_has_a_result(prometheus: Prometheus) -> None:
    [target] = prometheus.ask("targets")["activeTargets"]
    assert target["health"] == "up" and target["labels"]["job"] == "bssci"
    assert prometheus.ask("label/job/values", **{"match[]": "bssci_info"}) == ["bssci"]
    empty = [query.expression for query in dashboard_queries() if not prometheus.result(query.expression)]
    # Of no provisioned device, no certificate ends: 0 days left would be a fault.
    assert [each for each in empty if "bssci_provisioned_next_end_seconds" not in each] == []
    assert len(empty) == 1


@pytest.mark.parts
def test_no_alert_fires_at_a_service_that_is_well(prometheus: Prometheus) -> None:
    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in rules} == {query.place for query in alert_queries()}
    for query in alert_queries():
        assert prometheus.result(query.expression) == [], query
