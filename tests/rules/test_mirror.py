"""A person who reads a module finds its tests: they stand in the mirrored folder, under the module's name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
CODE = HERE.parent / "bssci"
WHOLE = ("bench", "browser", "deploy", "e2e", "rules")
"""folders of tests of the whole service, of all source, or of files beside the code"""
CATALOGUES = {
    "center/decoding/slow.py": "an interface, and the values that it passes",
    "center/replays.py": "an interface",
    "center/silence/standing.py": "values; tests/center/silence/test_silence.py is about which comes when",
    "decoders/interfaces.py": "interfaces and the values that they pass",
    "journal/errors.py": "exceptions",
    "journal/kept.py": "rows as they are stored",
    "journal/records.py": "values that the journal gives and takes",
    "model/downlink.py": "values; what becomes of them is the center's",
    "model/entry_error.py": "an exception",
    "model/events.py": "values",
    "model/over_the_air.py": "values",
    "model/reading.py": "values",
    "model/states.py": "names",
    "mqtt/broker_process.py": "``__main__`` of a child process, which tests/mqtt/test_embedded.py runs",
    "mqtt/payload_types.py": "values; tests/web/api/test_asyncapi.py holds what is published against them",
    "mqtt/request_types.py": "values; tests/web/api/test_asyncapi.py holds what is taken against them",
    "mqtt/values.py": "interfaces and the values that they pass",
    "settings/catalogue.py": "rows of a table, which settings/table.py reads",
    "sinks/interfaces.py": "interfaces",
    "sinks/postgres/errors.py": "an exception",
    "sources/interfaces.py": "interfaces",
    "stations/link.py": "an interface",
    "stations/read_batch.py": "values that handlers fill",
    "web/api/schemas/accounts.py": "bodies and answers",
    "web/api/schemas/alarms.py": "bodies and answers",
    "web/api/schemas/certificates.py": "bodies and answers",
    "web/api/schemas/dashboard.py": "answers",
    "web/api/schemas/decoders.py": "bodies and answers",
    "web/api/schemas/downlinks.py": "bodies and answers",
    "web/api/schemas/health.py": "answers",
    "web/api/schemas/live_tokens.py": "structs; tests/web/api/test_live_tokens.py has each in an answer",
    "web/api/schemas/devices.py": "values; tests/web/api/test_devices.py is about what they allow",
    "web/api/schemas/logs.py": "queries and answers",
    "web/api/schemas/provisioned.py": "bodies and answers",
    "web/api/schemas/sensor_files.py": "bodies and answers",
    "web/api/schemas/sensors.py": "bodies and answers",
    "web/api/schemas/settings.py": "bodies and answers",
    "web/api/schemas/stations.py": "bodies and answers",
    "web/api/schemas/uplinks.py": "answers",
    "web/context.py": "values that handlers share",
    "web/door/payload_types.py": "values; tests/web/api/test_asyncapi.py holds what is told against them",
    "web/http/replies.py": "values",
    "web/outside.py": "values",
    "web/reports/facade.py": "the reports by name",
    "wire/fields.py": "types; tests/wire/test_checks.py is about what each allows",
    "wire/variable_mac.py": "messages; tests/wire/test_messages.py is about all",
    "wire/outcomes.py": "values; tests/wire/test_session.py is about which of them comes when",
}
"""modules without behaviour of their own, each with what it holds"""
SPANNING = {
    "center/attachments/test_over_the_air_told.py": "what stations are told of what a sensor asks itself",
    "center/downlinks/test_downlinks_simulated.py": "downlinks with simulated stations and sensors",
    "center/downlinks/test_downlinks_survive.py": "downlinks through crashes",
    "center/sequences/test_sequences.py": "the whole service, whatever happens to it",
    "center/silence/test_silence_changes.py": "silence while people change sensors and settings",
    "center/test_whole_changes.py": "every command on a full disk",
    "cli/test_cli.py": "the command line as a whole",
    "decoders/test_documentation.py": "docs/decoders.md against the decoders",
    "journal/sqlite/test_durability.py": "a process that is killed",
    "journal/sqlite/test_files.py": "a worker and its database, whose files somebody harms",
    "journal/sqlite/test_plans.py": "how SQLite finds what each query of the journal asks for",
    "journal/sqlite/test_room.py": "events, cursors and the worker of a journal that is full",
    "sinks/mqtt/test_broker_rules.py": "the sink against a broker of a test's own",
    "sinks/mqtt/test_examples.py": "docs/mqtt.md against a real broker",
    "sinks/mqtt/test_mosquitto.py": "client and sink with a real broker",
    "mqtt/test_payloads_variable_mac.py": "payloads of what a meter sends, by the decoder of meters",
    "sinks/mqtt/test_sink_brokers.py": "the sink as it starts, changes its broker, and stops",
    "sinks/mqtt/test_request_changes.py": "requests that change settings and sensors, to the audit log",
    "mqtt/test_sensor_payloads.py": "the names that integrators know, for every event",
    "sinks/postgres/test_postgres_conformance.py": "the sink keeps the contract of sinks",
    "sinks/postgres/test_postgres_documentation.py": "docs against the schema",
    "web/api/test_sensor_commands.py": "commands for sensors, by sensors.py and answers.py",
    "web/reports/test_agreement.py": "verdict, readiness, alarms and health_check against each other",
    "web/test_vocabulary.py": "one name for one fact by MQTT, live stream, API and webhook",
    "sources/test_conformance.py": "every source keeps the contract of sources",
    "sinks/test_conformance.py": "every sink keeps the contract of sinks",
    "stations/test_tls.py": "certificates that change while stations are connected",
    "test_decoder_example.py": "the example of a plugin for decoders",
    "test_packaging.py": "what is installed",
    "test_plugins_doc.py": "docs/plugins.md",
    "test_source_example.py": "the example of a plugin for sources",
    "web/http/test_fuzz.py": "every route with anything",
    "web/http/test_roles.py": "every page and every role",
    "web/http/test_routes.py": "every route's own description",
    "web/http/test_secrets_shown.py": "every answer and every kind of secret",
    "web/test_service_listening.py": "the web admin on a socket",
}
"""tests of more than one module, each with what it is about"""


def modules() -> set[str]:
    found = {str(path.relative_to(CODE)) for path in CODE.rglob("*.py")}
    return {each for each in found if Path(each).name[:2] != "__" and not each.startswith("plugins/")}


def with_tests() -> set[str]:
    found = {str(path.relative_to(HERE)) for path in HERE.rglob("test_*.py")}
    return {each for each in found if not each.startswith(WHOLE)}


def test_of(module: str) -> str:
    """Return where the tests of a module stand."""
    path = Path(module)
    return str(path.with_name(f"test_{path.name}"))


test_of.__test__ = False  # type: ignore[attr-defined]


def test_every_module_has_its_tests() -> None:
    there = with_tests()
    without = {each for each in modules() - CATALOGUES.keys() if test_of(each) not in there}
    assert without == set(), "write a test module of its name"


def test_every_test_is_of_a_module() -> None:
    known = {test_of(each) for each in modules()} | SPANNING.keys()
    assert with_tests() - known == set(), "name it after its module"


@pytest.mark.parametrize(
    ("listed", "there"), [(CATALOGUES, modules()), (SPANNING, with_tests())], ids=["catalogues", "spanning"]
)
def test_what_is_listed_is_there(listed: dict[str, str], there: set[str]) -> None:
    assert listed.keys() - there == set()
    assert all(listed.values())


def test_what_one_room_alone_uses_stands_beside_its_tests() -> None:
    used: dict[str, set[str]] = {path.stem: set() for path in (HERE / "support").glob("*.py")}
    for path in HERE.rglob("*.py"):
        imported = re.findall(r"^from tests\.support(?:\.(\w+) import| import (.+))", path.read_text(), re.M)
        for name in {
            each for found in imported for each in re.findall(r"\w+", " ".join(found))
        } & used.keys():
            used[name].add(path.relative_to(HERE).parts[0])
    assert {name: rooms for name, rooms in used.items() if len(rooms) < 2} == {}
