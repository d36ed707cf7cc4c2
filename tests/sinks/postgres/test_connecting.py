from __future__ import annotations

import os
import socket
from types import SimpleNamespace
from typing import Any

import pytest

psycopg = pytest.importorskip("psycopg")

from bssci.sinks.postgres import connecting  # noqa: E402
from bssci.sinks.postgres.connecting import CONNECT_TIMEOUT, Line, connect  # noqa: E402
from bssci.sinks.postgres.errors import PostgresError  # noqa: E402
from bssci.sinks.postgres.plugin import PostgresSinkFactory  # noqa: E402
from bssci.sinks.postgres.settings import PostgresSettings  # noqa: E402


def settings(**changes: str) -> PostgresSettings:
    rows = PostgresSinkFactory.settings
    return PostgresSettings({each.name: each.parse(changes.get(each.name, each.default)) for each in rows})


def test_a_server_that_cannot_be_had_is_told_of_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**parameters: Any) -> None:
        raise psycopg.OperationalError(f"no entry for {parameters['password']}")

    monkeypatch.setattr(connecting.psycopg, "connect", refuse)
    with pytest.raises(PostgresError) as caught:
        connect(settings(POSTGRES_PASSWORD="hunter2"))
    assert "hunter2" not in str(caught.value)


def test_everything_that_may_take_long_has_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(connecting.psycopg, "connect", lambda **parameters: given.update(parameters))
    connect(settings())
    assert given["connect_timeout"] == CONNECT_TIMEOUT
    assert given["tcp_user_timeout"] > 0 and given["keepalives_count"] > 0
    assert given["autocommit"] is True


def test_texts_are_exchanged_as_utf8_whatever_the_connection_string_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(connecting.psycopg, "connect", lambda **parameters: given.update(parameters))
    connect(settings(POSTGRES_DSN="host=db client_encoding=LATIN1 keepalives_idle=7"))
    assert (given["client_encoding"], given["keepalives_idle"]) == ("UTF8", "7")


def test_a_line_counts_the_answers_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psycopg.Cursor, "__init__", lambda self: None)
    monkeypatch.setattr(psycopg.Cursor, "execute", lambda self, query: query)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection: Any = SimpleNamespace(fileno=ours.fileno)
        line = Line(connection)
        cursor = connection.cursor_factory()
        assert line.answers == 0
        assert cursor.execute("SELECT") == "SELECT" and line.answers == 1
        line.close()


def test_a_line_is_cut_from_outside_and_only_its_own_copy_is_closed() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection: Any = SimpleNamespace(fileno=ours.fileno)
        line = Line(connection)
        line.cut()
        assert theirs.recv(1) == b""
        line.cut()
        line.close()
        assert os.fstat(ours.fileno())
