"""Notification of alarms by a webhook: a POST with a JSON object, signed if a secret is set."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, ensureDeferred

from bssci import __version__
from bssci.center.alarms.notices import Notice
from bssci.center.alarms.wording import as_json
from bssci.settings.table import Settings
from bssci.sinks.http_post import Poster, make_poster, parse_target
from bssci.sinks.webhook import parse_secret, sign

TIMEOUT = 20.0
"""seconds that a request and its answer may take"""

_encode = msgspec.json.Encoder().encode


class NotTaken(Exception):
    """The receiver did not accept a message; the message is one line that says why."""


class WebhookChannel:
    """A POST to ALARM_WEBHOOK_URL.

    :param settings: returns the settings in force.
    :param now: returns Unix seconds.
    :param poster: returns the HTTP client for a URL; for tests.
    """

    name = "webhook"
    needs = "ALARM_WEBHOOK_URL"

    def __init__(
        self,
        reactor: Any,
        settings: Callable[[], Settings],
        now: Callable[[], float],
        poster: Callable[[str], Poster] | None = None,
    ) -> None:
        self._reactor = reactor
        self._now = now
        self._settings = settings
        self._poster = poster or self._make_poster

    def is_set(self) -> bool:
        """Return whether a URL is set."""
        return bool(self._settings().alarm_webhook_url)

    def send(self, notice: Notice) -> Deferred[str]:
        """Post a notice; see :class:`bssci.center.alarms.notices.Channel`.

        The Deferred fails with :class:`NotTaken`, or as the HTTP client does.
        """
        return ensureDeferred(self._send(notice))

    async def _send(self, notice: Notice) -> str:
        settings = self._settings()
        body = _encode(as_json(notice, settings.timezone, settings.web_url))
        poster = self._poster(settings.alarm_webhook_url)
        headers = {"Content-Type": "application/json", "User-Agent": f"bssci/{__version__}"}
        if poster.target.user is not None:
            credentials = base64.b64encode(":".join(poster.target.user).encode()).decode()
            headers["Authorization"] = f"Basic {credentials}"
        identity = f"msg_{hashlib.sha256(body).hexdigest()[:32]}"
        timestamp = str(int(self._now()))
        headers |= {"Webhook-Id": identity, "Webhook-Timestamp": timestamp}
        if settings.alarm_webhook_secret:
            key = parse_secret(settings.alarm_webhook_secret)
            headers["Webhook-Signature"] = sign(key, identity, timestamp, body)
        try:
            answer = await poster.post(headers, body)
        finally:
            await poster.close()
        if not 200 <= answer.status < 300:
            raise NotTaken(f"{poster.target.origin}: answered {answer.status}")
        return ""

    def _make_poster(self, url: str) -> Poster:
        return make_poster(self._reactor, parse_target(url), TIMEOUT, None, "ALARM_WEBHOOK_URL")
