"""Offers the sink ``postgres``."""

from typing import Any

from bssci.sinks.postgres.plugin import PostgresSinkFactory


def _reactor() -> Any:
    from twisted.internet import reactor

    return reactor


postgres = PostgresSinkFactory(_reactor)
