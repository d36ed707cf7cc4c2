"""Where the server is, and that no secret is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from bssci.sinks.postgres.errors import PostgresError
from bssci.sinks.postgres.plugin import PostgresSinkFactory
from bssci.sinks.postgres.settings import SETTINGS
from tests.sinks.postgres.cluster import settings
from tests.support.settings import CATALOGUE

DEFAULTS = {
    "POSTGRES_HOST": "localhost", "POSTGRES_PORT": 5432, "POSTGRES_DB": "bssci", "POSTGRES_USER": "bssci",
    "POSTGRES_PASSWORD": "", "POSTGRES_SSLMODE": "prefer", "POSTGRES_SCHEMA": "public", "POSTGRES_DSN": "",
    "POSTGRES_BATCH_SIZE": 500, "POSTGRES_BATCH_TIMEOUT": 1.0, "POSTGRES_WRITE": "copy",
    "POSTGRES_RAW_DAYS": 90, "POSTGRES_READING_DAYS": 365,
}  # fmt: skip


def test_the_defaults_are_those_that_are_documented() -> None:
    values = settings().values
    assert {name: values[name] for name in DEFAULTS} == DEFAULTS


def test_single_settings_make_a_connection() -> None:
    assert settings(POSTGRES_HOST="db", POSTGRES_PASSWORD="p").connection() == {
        "host": "db",
        "port": 5432,
        "dbname": "bssci",
        "user": "bssci",
        "sslmode": "prefer",
        "password": "p",
    }


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        ("db", True),
        ("/run/pg@14", True),
        ("@socket", True),
        ("u:hunter2@db", False),
        ("postgresql://u:p@db", False),
    ],
)
def test_a_host_has_no_password(host: str, is_allowed: bool) -> None:
    assert (CATALOGUE.rows["POSTGRES_HOST"].fault(host) is None) is is_allowed


@pytest.mark.parametrize(
    "dsn",
    ["postgresql://u:p%20w@db:5433/x?sslmode=require", "host=db port=5433 dbname=x user=u password='p w'"],
)
def test_a_connection_string_is_used_instead(dsn: str) -> None:
    connection = settings(POSTGRES_DSN=dsn, POSTGRES_HOST="other").connection()
    assert connection["host"] == "db" and connection["port"] == "5433" and connection["password"] == "p w"


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:p%40w@db/x?sslrootcert=a@b",
        "postgresql://u:p%40w@db?application_name=a@b",
        "postgresql://u:p%40w@db?sslrootcert=/a/b@c",
        "postgresql://db/x?user=u@b&password=p@w",
        "host=/a@b password='://p@@w'",
    ],
)
def test_an_at_is_allowed_where_it_cannot_be_misread(dsn: str) -> None:
    assert "@" in settings(POSTGRES_DSN=dsn).connection()["password"]


def test_the_password_may_stand_beside_the_connection_string() -> None:
    chosen = settings(POSTGRES_DSN="postgresql://u@db/x", POSTGRES_PASSWORD="p")
    assert chosen.connection()["password"] == "p"


def test_secrets_come_from_files_that_are_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "password"
    chosen = settings(POSTGRES_PASSWORD_FILE=file)
    with pytest.raises(PostgresError, match="_PASSWORD_FILE: the file that it names cannot be read"):
        chosen.connection()
    for password in ("first", "second"):
        file.write_text(f"{password}\n")
        assert chosen.connection()["password"] == password
    file.write_text("postgresql://u:p@db/x\n")
    assert settings(POSTGRES_DSN_FILE=file).connection()["host"] == "db"


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are both set"):
        settings(POSTGRES_PASSWORD="p", POSTGRES_PASSWORD_FILE=tmp_path)


@pytest.mark.parametrize(
    "dsn",
    [
        "hunter2",
        "postgresql://u:hunter2@db/x?hunter2=1",
        "password=hunter2 x",
        "p='hunter2",
        "postgresql://u:p@hunter2@db/x",
        "postgresql://u:p?@hunter2@db/x",
        "postgresql://u:p/hunter2@db/x",
        "postgres://u:/hunter2@db/x?sslmode=require",
    ],
)
def test_a_wrong_connection_string_is_not_told(dsn: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="POSTGRES_DSN: postgresql://") as raised:
        settings(POSTGRES_DSN=dsn)
    assert "hunter2" not in str(raised.value) and raised.value.__suppress_context__
    file = tmp_path / "dsn"
    file.write_text(dsn)
    with pytest.raises(PostgresError) as read:
        settings(POSTGRES_DSN_FILE=file).connection()
    assert "hunter2" not in str(read.value)


def test_no_secret_is_shown() -> None:
    assert "hunter2" not in repr(settings(POSTGRES_PASSWORD="hunter2"))
    assert "hunter2" not in repr(settings(POSTGRES_DSN="postgresql://u:hunter2@db/x"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("POSTGRES_PORT", "0"),
        ("POSTGRES_PORT", "hunter2"),
        ("POSTGRES_SSLMODE", "yes"),
        ("POSTGRES_SCHEMA", "x" * 64),
        ("POSTGRES_BATCH_SIZE", "0"),
        ("POSTGRES_BATCH_TIMEOUT", "-1"),
        ("POSTGRES_WRITE", "upsert"),
        ("POSTGRES_RAW_DAYS", "-1"),
        ("POSTGRES_PASSWORD", "hunter2\n"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(name: str, text: str) -> None:
    (setting,) = (each for each in SETTINGS if each.name == name)
    with pytest.raises(ValueError, match="must be ") as raised:
        setting.parse(text)
    assert "hunter2" not in str(raised.value)


def test_without_the_driver_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bssci.sinks.postgres.plugin.find_spec", lambda name: None)
    factory = PostgresSinkFactory(lambda: None)
    with pytest.raises(ValueError, match=r"pip install bssci\[postgres\]"):
        factory.build(settings().values, None)
    ((level, message),) = factory.check(settings().values)
    assert level == "error" and "pip install bssci[postgres]" in message


@pytest.mark.parametrize(
    ("schema", "is_allowed"),
    [
        ("public", True),
        ("Ämter 1", True),
        ('a"b', True),
        ("ü" * 31, True),
        ("ü" * 32, False),
        ("pg_own", False),
        ("information_schema", False),
        ("$user", False),
        ("a\nb", False),
    ],
)
def test_a_schema_is_one_that_can_be_made(schema: str, is_allowed: bool) -> None:
    assert (CATALOGUE.rows["POSTGRES_SCHEMA"].fault(schema) is None) is is_allowed
