"""The sink before the kit for all sinks, with a real server."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet import reactor

from bssci.model import Decoded, Reading
from bssci.sinks.postgres.sink import PostgresSink
from bssci.sinks.testing import SinkBench, SinkConformance, uplink
from tests.sinks.postgres.cluster import Database

pytestmark = [pytest.mark.parts, pytest.mark.postgres]
PASSWORD = "not-to-be-told-4711"


class PostgresBench(SinkBench):
    secrets = (PASSWORD,)
    keeps_each_once = True

    def __init__(self, database: Database) -> None:
        self._database = database

    def make_sink(self) -> PostgresSink:
        settings = self._database.settings(POSTGRES_RAW_DAYS=0, POSTGRES_PASSWORD=PASSWORD)
        return PostgresSink(reactor, settings, lambda eui: None, time.time)

    def received(self) -> Sequence[str]:
        if not self._database.query("SELECT to_regclass('raw') IS NOT NULL")[0]:
            return []
        return self._database.query("SELECT id FROM raw ORDER BY received_at, id")

    def break_other_side(self) -> None:
        self._accept("false")
        with self._database.cluster.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
                (self._database.name,),
            )

    def mend_other_side(self) -> None:
        self._accept("true")

    def _accept(self, is_accepted: str) -> None:
        with self._database.cluster.connect() as connection:
            connection.execute(
                f"ALTER DATABASE {self._database.name} ALLOW_CONNECTIONS {is_accepted}".encode()
            )  # fmt: skip

    def refused_event(self) -> Any:
        return uplink(77, decoded=Decoded(decoder="d@1", readings=(Reading("huge", 10**400),)))


class TestPostgres(SinkConformance):
    @pytest.fixture
    def bench(self, database: Database) -> SinkBench:
        return PostgresBench(database)
