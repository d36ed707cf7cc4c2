"""The settings of the sink ``postgres``, and the connection parameters that follow from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bssci.settings import parsers
from bssci.settings.parsers import Parser
from bssci.sinks.interfaces import SinkSetting
from bssci.sinks.postgres.errors import PostgresError
from bssci.system.secret_files import SecretFileError, read_secret

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
COPY, INSERT = "copy", "insert"
_SCHEMA = re.compile(r"(?!pg_|information_schema$|\$user$)[^\x00-\x1f\x7f]+")
"""a name that is not PostgreSQL's own"""
LONGEST_SCHEMA = 63
"""bytes; PostgreSQL cuts off the rest"""


def _schema(text: str) -> str:
    name = text.strip()
    if not _SCHEMA.fullmatch(name) or len(name.encode()) > LONGEST_SCHEMA:
        raise ValueError
    return name


def _host(text: str) -> str:
    # Sockets are at a path or, without a file, behind an @; elsewhere an @ ends a password.
    if "@" in text and not text.startswith(("/", "@")):
        raise ValueError
    return parsers.text.parse(text)


_days = parsers.integer(0, 36500)

SETTINGS = (
    SinkSetting(
        "POSTGRES_HOST",
        "localhost",
        "host of the PostgreSQL server, or the directory of its socket",
        Parser(_host, "a host name, an address or a directory; user and password have settings of their own"),
    ),
    SinkSetting("POSTGRES_PORT", "5432", "port of the PostgreSQL server", parsers.integer(1, 65535)),
    SinkSetting("POSTGRES_DB", "bssci", "database", parsers.text),
    SinkSetting("POSTGRES_USER", "bssci", "user at the PostgreSQL server", parsers.text),
    SinkSetting(
        "POSTGRES_PASSWORD", "", "password at the PostgreSQL server", parsers.text, secret=True
    ),
    SinkSetting(
        "POSTGRES_PASSWORD_FILE",
        "",
        "file that holds POSTGRES_PASSWORD; read at each connection",
        parsers.optional_path,
        secret=True,
        reread=True,
    ),
    SinkSetting("POSTGRES_SSLMODE", "prefer", "TLS to the server", parsers.choice(*SSL_MODES)),
    SinkSetting(
        "POSTGRES_SCHEMA",
        "public",
        "schema that the tables are in; created if it is missing",
        Parser(
            _schema,
            f"a name of at most {LONGEST_SCHEMA} bytes, other than pg_..., information_schema and $user",
        ),
    ),
    SinkSetting(
        "POSTGRES_DSN",
        "",
        "instead of the settings above, except POSTGRES_SCHEMA: postgresql://user:password@host:5432/database",
        parsers.text,
        secret=True,
    ),
    SinkSetting(
        "POSTGRES_DSN_FILE",
        "",
        "file that holds POSTGRES_DSN; read at each connection",
        parsers.optional_path,
        secret=True,
        reread=True,
    ),
    SinkSetting(
        "POSTGRES_BATCH_SIZE",
        "500",
        "events written in one transaction, at most",
        parsers.integer(1, 10_000),
    ),
    SinkSetting(
        "POSTGRES_BATCH_TIMEOUT",
        "1",
        "s from one transaction to the next while there are fewer events than POSTGRES_BATCH_SIZE",
        parsers.number(0, 60),
    ),
    SinkSetting(
        "POSTGRES_WRITE",
        COPY,
        "how rows are written: copy; insert for a server that cannot do COPY",
        parsers.choice(COPY, INSERT),
    ),
    SinkSetting("POSTGRES_RAW_DAYS", "90", "days that raw telegrams are kept there; 0: forever", _days),
    SinkSetting(
        "POSTGRES_READING_DAYS", "365", "days that readings are kept there; 0: forever", _days
    ),
)  # fmt: skip


@dataclass(frozen=True)
class PostgresSettings:
    """Settings of the sink. The repr shows no secret."""

    values: Mapping[str, Any] = field(repr=False)
    """each of :data:`SETTINGS`, by its name"""

    def __post_init__(self) -> None:
        """Check the values together.

        :raises ValueError: naming what is wrong, without the text of POSTGRES_DSN.
        """
        for name in ("POSTGRES_DSN", "POSTGRES_PASSWORD"):
            if self.values[name] and self.values[f"{name}_FILE"]:
                raise ValueError(f"{name} and {name}_FILE are both set; only one is allowed")
        if self.values["POSTGRES_DSN"]:
            _parse_dsn(self.values["POSTGRES_DSN"])

    @property
    def schema(self) -> str:
        return str(self.values["POSTGRES_SCHEMA"])

    @property
    def write(self) -> str:
        return str(self.values["POSTGRES_WRITE"])

    @property
    def batch_size(self) -> int:
        """Largest number of events in a transaction."""
        return int(self.values["POSTGRES_BATCH_SIZE"])

    @property
    def batch_timeout(self) -> float:
        """Longest time in s that a batch waits to fill up."""
        return float(self.values["POSTGRES_BATCH_TIMEOUT"])

    @property
    def raw_days(self) -> int:
        return int(self.values["POSTGRES_RAW_DAYS"])

    @property
    def reading_days(self) -> int:
        return int(self.values["POSTGRES_READING_DAYS"])

    def connection(self) -> dict[str, Any]:
        """Return the parameters for libpq; secrets are read from their files each time.

        :raises PostgresError: a file cannot be read, or holds no connection string.
        """
        dsn = self._secret("POSTGRES_DSN")
        password = self._secret("POSTGRES_PASSWORD")
        if dsn:
            try:
                parameters = _parse_dsn(dsn)
            except ValueError as error:
                raise PostgresError(str(error)) from None
        else:
            parameters = {
                "host": self.values["POSTGRES_HOST"],
                "port": self.values["POSTGRES_PORT"],
                "dbname": self.values["POSTGRES_DB"],
                "user": self.values["POSTGRES_USER"],
                "sslmode": self.values["POSTGRES_SSLMODE"],
            }
        if password and not parameters.get("password"):
            parameters["password"] = password
        return parameters

    def _secret(self, name: str) -> str:
        file: Path | None = self.values[f"{name}_FILE"]
        if file is None:
            return str(self.values[name])
        try:
            return read_secret(file, f"{name}_FILE").strip()
        except SecretFileError as error:
            raise PostgresError(str(error)) from None


def _parse_dsn(dsn: str) -> dict[str, Any]:
    """Parse POSTGRES_DSN.

    :raises ValueError: it is invalid; the text quotes neither it nor libpq's error, which would quote it.
    """
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        if _has_bare_at(dsn):
            raise ValueError
        return dict(conninfo_to_dict(dsn))
    except (ProgrammingError, ValueError):
        raise ValueError(
            "POSTGRES_DSN: postgresql://user:password@host:5432/database is allowed, with special characters"
            " in the password as %XX; or host=... dbname=... user=... password=..."
        ) from None


def _has_bare_at(dsn: str) -> bool:
    """Return whether a URI has an @ too many, or one behind a slash, in front of its parameters: libpq would
    take the end of a password for the host or the database, and quote it.
    """
    scheme, separator, rest = dsn.partition("://")
    # As libpq does: user and password end at the first @, unless there is a slash in front of it.
    user, at, server = rest.partition("@")
    place = server if at and "/" not in user else rest
    return bool(separator) and scheme.isalpha() and "@" in place.partition("?")[0]
