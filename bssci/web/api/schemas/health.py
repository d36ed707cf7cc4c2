"""Answers for monitoring: that the process runs, and whether it can work."""

from __future__ import annotations

from typing import Literal

from bssci.web.api.schemas.common import Answer


class Alive(Answer):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Ready(Answer):
    """Readiness of the service, and the parts that it depends on."""

    ready: bool
    journal: bool
    listening: bool
    sinks: dict[str, bool]
