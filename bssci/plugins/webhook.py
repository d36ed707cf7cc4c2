"""Offers the sink ``webhook``."""

from typing import Any

from bssci.sinks.webhook import WebhookSinkFactory


def _reactor() -> Any:
    from twisted.internet import reactor

    return reactor


webhook = WebhookSinkFactory(_reactor)
