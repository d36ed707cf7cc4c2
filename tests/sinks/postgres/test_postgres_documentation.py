"""The documentation's queries run, one by one; and it names what there is."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from bssci.sinks.postgres.events import rows_of
from bssci.sinks.postgres.session import DatabaseSession
from bssci.sinks.postgres.settings import SETTINGS
from bssci.sinks.testing import every_event
from tests.sinks.postgres.cluster import Database

PAGE = (Path(__file__).parents[3] / "docs" / "postgres.md").read_text()
QUERIES = [
    query
    for block in re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    for query in block.split(";\n")
    if query.strip() and not re.match(r"\s*(--.*\n)*(CREATE|GRANT|ALTER|TRUNCATE|SELECT create_)", query)
]
TABLES = (
    "raw", "reading", "reading_hourly", "reading_daily", "device", "gateway", "event", "set_aside",
    "raw_advertisements", "sensor_readings", "devices", "scanners", "iot_measurements",
)  # fmt: skip


def test_every_setting_is_named() -> None:
    for setting in SETTINGS:
        if not setting.name.endswith("_FILE"):
            assert re.search(rf"`{setting.name}`", PAGE), setting.name


def test_the_defaults_are_right() -> None:
    for setting in SETTINGS:
        row = re.search(rf"^\| `{setting.name}` \| `([^`]*)` ", PAGE, re.MULTILINE)
        if row:
            assert row[1] == setting.default, setting.name


@pytest.mark.parts
@pytest.mark.postgres
def test_its_queries_run(database: Database) -> None:
    session = DatabaseSession(database.settings(), lambda line: None)
    session.store(rows_of(every_event(), {}, datetime.now(UTC))[0], [])
    session.close()
    assert len(QUERIES) > 10
    for query in QUERIES:
        grafana = query.replace("$device", "mioty:70B3D56770110001")
        database.query(re.sub(r"\$__timeFilter\((\w+)\)", r"\1 > now() - interval '1 day'", grafana))


@pytest.mark.parts
@pytest.mark.postgres
def test_it_names_every_column(database: Database) -> None:
    DatabaseSession(database.settings(), lambda line: None).close()
    for table in TABLES:
        columns = database.query(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s", table
        )
        assert columns, table
        missing = [column for column in columns if not re.search(rf"\b{column}\b", PAGE)]
        assert missing == [], table


@pytest.mark.parts
@pytest.mark.postgres
def test_a_user_of_grafana_may_read_and_nothing_else(database: Database) -> None:
    DatabaseSession(database.settings(), lambda line: None).close()
    (grants,) = re.findall(r"```sql\n(CREATE ROLE grafana.*?)```", PAGE, re.DOTALL)
    role = f"grafana_{database.name}"
    owner = database.cluster.user
    for statement in grants.replace("ROLE bssci", f"ROLE {owner}").split(";\n"):
        if statement.strip():
            database.query(re.sub(r"\bgrafana\b", role, statement))
    parameters = database.settings(POSTGRES_USER=role).connection()
    with psycopg.connect(**parameters, autocommit=True) as connection:
        for table in TABLES:
            connection.execute(f"SELECT * FROM {table}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM reading")
