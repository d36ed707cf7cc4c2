"""Commands to gateways of every kind."""

from __future__ import annotations

from typing import Any

from bssci.center.devices.gateway_commands import GatewayCommands
from tests.support.telegrams import telegram


def test_every_kind_hears_what_came() -> None:
    commands: Any = GatewayCommands(None, None, None, lambda: 0.0)  # type: ignore[arg-type]
    heard: list[tuple[str, str]] = []
    for name in ("controllers", "scanners"):
        part = getattr(commands, name)
        part.heard = lambda telegrams, name=name: heard.append((name, telegrams[0].device))
    commands.heard([telegram(device="scanner:roof")])
    assert heard == [("controllers", "scanner:roof"), ("scanners", "scanner:roof")]
