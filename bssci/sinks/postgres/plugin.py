"""The factory of the sink ``postgres``. It does not need psycopg until the sink is built."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from twisted.plugin import IPlugin
from zope.interface import implementer

from bssci.center.interfaces import ICenter
from bssci.sinks.interfaces import ISinkFactory
from bssci.sinks.postgres.settings import SETTINGS, PostgresSettings

MISSING = "SINKS=postgres needs psycopg: `pip install bssci[postgres]`"


@implementer(IPlugin, ISinkFactory)
class PostgresSinkFactory:
    """Builds the one PostgreSQL sink of a service.

    :param reactor: returns the reactor; called when a sink is built.
    """

    name = "postgres"
    description = "stores telegrams, readings, devices, gateways and events in PostgreSQL or TimescaleDB"
    settings = SETTINGS

    def __init__(self, reactor: Callable[[], Any]) -> None:
        self._reactor = reactor

    def build(self, settings: Mapping[str, Any], center: ICenter) -> Any:
        _check_driver()
        from bssci.sinks.postgres.sink import PostgresSink

        chosen = PostgresSettings(dict(settings))
        return PostgresSink(
            self._reactor(),
            chosen,
            center.sensor,
            center.now,
            center.device,
            lambda: [*center.station_states(), *center.gateway_states()],
        )

    def check(self, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield lines about the server for ``bssci check``, each with its level ok, warning or error."""
        try:
            _check_driver()
            chosen = PostgresSettings(dict(settings))
        except ValueError as error:
            return iter([("error", str(error))])
        from bssci.sinks.postgres.trial import findings

        return findings(chosen)


def _check_driver() -> None:
    """Check that the driver is installed.

    :raises ValueError: psycopg is missing.
    """
    if find_spec("psycopg") is None:
        raise ValueError(MISSING)
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise ValueError(f"psycopg does not work ({error}): `pip install bssci[postgres]`") from None
