"""Findings about the service that runs: whether it can store, and lets base stations connect."""

from __future__ import annotations

from collections.abc import Iterator

from bssci.cli.findings import Finding
from bssci.cli.service_api import ServiceUnavailableError, own_service
from bssci.settings.table import Settings

TIMEOUT = 5.0
"""s that the answer may take"""


def about_readiness(chosen: Settings) -> Iterator[Finding]:
    """Yield an error for each thing that keeps the running service from its work, as ``/readyz`` reports it.

    Nothing is said if there is no web admin to ask.
    """
    if not (chosen.web_port or chosen.web_listen):
        return
    try:
        answer = own_service(chosen).readiness(TIMEOUT)
    except ServiceUnavailableError as error:
        yield Finding("warning", f"the running service cannot be asked whether it is ready: {error}")
        return
    if not answer.get("journal"):
        yield Finding(
            "error",
            "the running service cannot store: base stations keep their uplinks; "
            "log lines `journal cannot store` say why",
        )
    if not answer.get("listening"):
        yield Finding("error", "the running service does not listen: no base station can connect")
    if answer.get("ready"):
        yield Finding("ok", "running service: can store, and base stations can connect")
