"""The description of the API holds: whatever it allows, the running service answers as described.

The test loads the library that makes the requests up: each process of pytest collects it, and one runs it.
"""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import pytest_twisted
from hypothesis import HealthCheck, given, settings

from bssci.web.access.accounts import AccountFile
from tests.support.running_service import free_ports
from tests.support.service import ServiceProcess, endpoint, until

SENSOR = 0x70B3D56770110001
EXAMPLES = 4
"""requests to each route"""
LONGEST = 900
"""s; it takes 50 alone, most of them for making requests up, and takes 240 beside three busy processes"""
PATIENCE = 60.0
"""s for one answer: some have keys made; the 10 s of the library are few on a busy machine"""
LEFT_OUT = ["/api/live", "/api/logout", "/api/certificates/restore"]
"""a stream; the end of a session; an archive"""


@pytest.mark.timeout(LONGEST)
@pytest_twisted.ensureDeferred
async def test_the_service_answers_as_it_is_described(tmp_path: Path) -> None:
    import schemathesis
    from requests import Session

    port = free_ports(1)[0]
    service = ServiceProcess(tmp_path / "service", WEB_PORT=port)
    service.configure([endpoint(SENSOR, bidi=True)])
    token = AccountFile(service.directory / "data", time.time).create_token("tester", "admin")
    headers = {"Authorization": f"Bearer {token}"}
    url = f"http://127.0.0.1:{port}"
    try:
        await service.start()
        await until(lambda: _listens(port))
        with urlopen(Request(f"{url}/api/openapi.json", headers=headers)) as answer:
            description = json.load(answer)
        schema = schemathesis.openapi.from_dict(description).exclude(path=LEFT_OUT)
        tried = set()
        operations = [found.ok() for found in schema.get_all_operations()]
        # What reads comes first, while the sensor is there.
        with Session() as session:
            # To look for a proxy in the environment at each request takes long.
            session.trust_env = False
            for operation in sorted(operations, key=lambda each: each.method != "get"):
                _try(operation, url, headers, session)
                tried.add(operation.path)
        assert tried == set(description["paths"]) - set(LEFT_OUT)
        assert not service.said("Traceback")
    finally:
        service.end()


def _try(operation: Any, url: str, headers: dict[str, str], session: Any) -> None:
    """Requests that the description allows, some of them to the sensor that is there, and others.

    Of each answer, status, type and schema are checked; of each route, once, also whether it is for those who
    have logged in.
    """
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    cases = operation.as_strategy() | operation.as_strategy(GenerationMode.NEGATIVE)
    if "{eui}" in operation.path:
        cases |= operation.as_strategy(path_parameters={"eui": f"{SENSOR:016X}"})
    always = [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
    ]
    once = [checks.ignored_auth]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def check(case: Any) -> None:
        due = [*always, *once]
        once.clear()
        case.call_and_validate(base_url=url, headers=headers, checks=due, session=session, timeout=PATIENCE)

    check()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
