"""Connections to the server, with limits on everything that may take long."""

from __future__ import annotations

import socket
from os import dup
from typing import Any

import psycopg
from psycopg import Connection, Cursor

from bssci.sinks.postgres.errors import PostgresError
from bssci.sinks.postgres.explain import explain_error
from bssci.sinks.postgres.settings import PostgresSettings

CONNECT_TIMEOUT = 8
"""s for each address of the server"""
_PARAMETERS: dict[str, Any] = {
    "application_name": "bssci",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""defaults of a connection, which a connection string may replace"""
_ENCODING = {"client_encoding": "UTF8"}
"""with another one, texts that it lacks could not be stored, whatever the database takes"""


class Line:
    """The socket of a connection, to be cut from another thread when the server does not answer.

    :ivar answers: statements that the server has answered.
    """

    def __init__(self, connection: Connection[Any]) -> None:
        # A copy: the connection's own descriptor may be closed and reused by the time that it is cut.
        self._socket = socket.socket(fileno=dup(connection.fileno()))
        self.answers = 0
        connection.cursor_factory = self._cursors()

    def _cursors(self) -> type[Cursor[Any]]:
        """Return a class of cursors that count the answers."""
        line = self

        class CountingCursor(Cursor[Any]):
            def execute(self, *args: Any, **kwargs: Any) -> Any:
                result = super().execute(*args, **kwargs)
                line.answers += 1
                return result

        return CountingCursor

    def cut(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it is closed already

    def close(self) -> None:
        self._socket.close()


def connect(settings: PostgresSettings) -> Connection[Any]:
    """Return a connection in autocommit mode.

    :raises PostgresError: in plain words, without a secret.
    """
    parameters = settings.connection()
    try:
        return psycopg.connect(
            **(_PARAMETERS | {"connect_timeout": CONNECT_TIMEOUT} | parameters | _ENCODING),
            autocommit=True,
            prepare_threshold=None,
        )
    except (psycopg.Error, OSError, ValueError) as error:
        raise PostgresError(explain_error(error, parameters)) from None
