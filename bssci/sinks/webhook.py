"""The sink ``webhook``: batches of events as JSON to a URL, signed as in Standard Webhooks.

    batch -> requests -> 2xx       taken
                         400, 413, ...  halved, until the one event that is refused is found: set aside,
                                        unless the receiver refuses all: then the batch comes again, later
                         401, 403, 404, 408, 429, 5xx, a redirect, no answer  the batch comes again, later
                         410       nothing is sent until the service is restarted

A repeated request has the same body and the same ``webhook-id``, which is derived from the body.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.plugin import IPlugin
from twisted.python.failure import Failure
from zope.interface import implementer

from bssci import __version__
from bssci.settings import parsers
from bssci.settings.parsers import Parser
from bssci.sinks.http_post import NoAnswer, Poster, ReceiverAnswer, Target, make_poster, parse_target
from bssci.sinks.interfaces import ISink, ISinkFactory, SinkSetting
from bssci.sinks.json_events import EVENT_KINDS, EncodedEvent, encode_batch
from bssci.sinks.paced_size import PacedSize
from bssci.sinks.reaching import reach, reason_of
from bssci.sinks.set_aside import RefusalStreak, SetAside
from bssci.system.clock import Clock, pause

MAX_BODY = 1_000_000
"""bytes of a request, unless a single event is larger"""
GONE = 410
RECEIVER_AT_FAULT = frozenset((401, 403, 404, 405, 407, 408, 421, 425, 426, 429, 451))
"""refusals that concern every request, not its content: the batch comes again"""
LONGEST_WAIT = 3600.0
"""s of a Retry-After that are honoured, at most"""
LONGEST_JITTER = 15.0
"""s of random delay that are added to the service's own wait before a repetition, at most"""
LATE = 3
"""answers in a row that are late before fewer events are sent at once"""
SILENCE = 5.0
"""s without an answer after which this is reported"""
STOP_TIME = 1.0
"""s that a stop waits for the answer to the request under way"""
TRIAL_TIME = 10.0
"""s that a trial waits for the receiver"""


class WebhookTrouble(Exception):
    """Events were not taken; the text says why in one line."""


@dataclass(frozen=True)
class WebhookSettings:
    """Address, secret and batch size of the webhook.

    :ivar secret: key of the signature; empty: none is sent.
    :ivar authorization: value of that header; empty: made from the URL's user, if it has one.
    :ivar kinds: kinds of events that are sent; empty: all.
    """

    secret: bytes = field(default=b"", repr=False)
    authorization: str = field(default="", repr=False)
    batch_size: int = 100
    kinds: frozenset[str] = frozenset()


@implementer(ISink)
class WebhookSink:
    """Sends one request at a time.

    :param now: Unix seconds.
    :param jitter: returns a random number from 0 to 1.
    """

    replayable = True

    def __init__(
        self,
        clock: Clock,
        poster: Poster,
        settings: WebhookSettings,
        now: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._poster = poster
        self._settings = settings
        self._now = now
        self._jitter = jitter
        self._headers = self._fixed_headers()
        self._not_before = 0.0
        """time, in s of the clock, before which the receiver wants no requests"""
        self._failures = 0
        """failures in a row"""
        self._sent: list[bytes] = []
        """events at the beginning of the batch that are settled"""
        self._refused: list[tuple[EncodedEvent, str]] = []
        """events that the receiver refused, and why; they are settled, too"""
        self._streak = RefusalStreak()
        self._pending: list[bytes] = []
        """events of the request that failed, which follow those"""
        self._size = PacedSize(settings.batch_size, poster.timeout)
        """events of a request, at most"""
        self._late = 0
        """answers in a row that were late"""
        self._waiting = False
        self._delivering: Deferred[None] | None = None
        self.set_aside = SetAside("webhook")
        self._trouble = ""
        """reason why the last delivery failed; empty if it did not"""
        self._asked_at: float | None = None
        """time, in s of the clock, of the request under way"""

    @property
    def trouble(self) -> str:
        """Reason why nothing can be delivered now; empty if it can."""
        waited = 0.0 if self._asked_at is None else self._clock.seconds() - self._asked_at
        if waited > SILENCE and not self._trouble:
            return f"{self._poster.target.origin} has not answered for {waited:.0f} s"
        return self._trouble

    def start(self) -> None:
        """Do nothing: the first request connects."""

    def deliver(self, batch: Sequence[Any]) -> Deferred[None]:
        self._delivering = ensureDeferred(self._deliver(batch))
        return self._delivering

    async def _deliver(self, batch: Sequence[Any]) -> None:
        await self._wait()
        encoded = encode_batch(batch, self._settings.kinds)
        try:
            for request in self._requests(encoded.events):
                await self._send(request)
            self._judge(encoded.events)
        except (NoAnswer, WebhookTrouble) as error:
            self._note_late(isinstance(error, NoAnswer) and error.late)
            self._failures += 1
            self._trouble = str(error)
            raise
        except CancelledError:
            raise WebhookTrouble("the service stops") from None
        encoded.set_aside(self.set_aside)
        for refused, reason in self._refused:
            self.set_aside.add(refused.event, reason)
        self._begin_anew()
        self._failures, self._trouble = 0, ""

    def _note_late(self, is_late: bool) -> None:
        """Send fewer events at once where the answer to the same request is late again and again."""
        self._late = self._late + 1 if is_late else 0
        if self._late >= LATE:
            self._size.late(len(self._pending))
            self._late, self._pending = 0, []

    def _begin_anew(self) -> None:
        self._sent, self._pending, self._refused = [], [], []

    def _judge(self, events: Sequence[EncodedEvent]) -> None:
        """Decide whether the refused events of a batch are at fault, or the receiver.

        :raises WebhookTrouble: the receiver refuses too much: all of the batch must come again.
        """
        refused = {each.json for each, _ in self._refused}
        outcomes = [each.json if each.json in refused else None for each in events]
        if outcomes and not self._streak.excuses(outcomes):
            why = self._refused[0][1]
            self._begin_anew()
            what = "many events in a row" if None in outcomes else "every event"
            raise WebhookTrouble(f"{self._poster.target.origin} refuses {what}: {why}")

    def stop(self) -> Deferred[None]:
        """Wait up to ``STOP_TIME`` s for the request under way; cancel a delivery that only waits."""
        delivering = self._delivering
        if delivering is None or delivering.called:
            return self._poster.close()
        ended: Deferred[None] = Deferred()

        def end(result: None | Failure) -> None | Failure:
            ended.callback(None)
            return result

        delivering.addBoth(end)
        if self._waiting:
            delivering.cancel()
        else:
            late = self._clock.callLater(STOP_TIME, delivering.cancel)
            ended.addCallback(lambda _: late.cancel() if late.active() else None)
        return ended.addCallback(lambda _: self._poster.close())

    async def _wait(self) -> None:
        """Wait as long as the receiver asked for, plus a random moment after failures."""
        delay = max(0.0, self._not_before - self._clock.seconds())
        if self._failures:
            delay += self._jitter() * min(LONGEST_JITTER, 0.5 * 2.0 ** min(self._failures, 10))
        if delay:
            await self._resting(pause(self._clock, delay))

    async def _resting(self, until: Deferred[Any]) -> None:
        self._waiting = True
        try:
            await until
        except CancelledError:
            raise WebhookTrouble("the service stops") from None
        finally:
            self._waiting = False

    def _requests(self, events: Sequence[EncodedEvent]) -> list[list[EncodedEvent]]:
        """Return the events to send, a list for each request.

        A batch that comes again continues where it failed, with the same request; events that were added
        since go into further requests.
        """
        done = len(self._sent)
        if [each.json for each in events[:done]] != self._sent:
            self._begin_anew()
            done = 0
        rest = list(events[done:])
        again = rest[: len(self._pending)]
        if [each.json for each in again] != self._pending:
            again = []
        requests = [again] if again else []
        size = 0
        current: list[EncodedEvent] = []
        for event in rest[len(again) :]:
            if current and (len(current) >= self._size.now or size + len(event.json) > MAX_BODY):
                requests.append(current)
                current, size = [], 0
            current.append(event)
            size += len(event.json) + 1
        return [*requests, current] if current else requests

    async def _send(self, events: list[EncodedEvent]) -> None:
        """Send events until each is taken or refused.

        :raises NoAnswer: nobody answered.
        :raises WebhookTrouble: the receiver takes nothing now.
        """
        self._pending = [each.json for each in events]
        self._asked_at = self._clock.seconds()
        try:
            answer = await self._poster.post(*self._request(events))
            self._late = 0
            self._size.taken(len(events), self._clock.seconds() - self._asked_at)
        finally:
            self._asked_at = None
        if not 200 <= answer.status < 300:
            self._refuse_all(answer)
            if answer.status == GONE:
                await self._rest_for_good()
            if len(events) > 1:
                middle = len(events) // 2
                await self._send(events[:middle])
                await self._send(events[middle:])
                return
            reason = f"HTTP {answer.status} {self._without_secrets(answer.text)}"
            self._refused.append((events[0], reason))
        self._sent += self._pending
        self._pending = []

    def _refuse_all(self, answer: ReceiverAnswer) -> None:
        """Raise if an answer is about the receiver and not about the events.

        :raises WebhookTrouble: the batch must come again.
        """
        status, origin = answer.status, self._poster.target.origin
        if 300 <= status < 400:
            raise WebhookTrouble(
                f"{origin} redirects elsewhere (HTTP {status}): set WEBHOOK_URL to the new place"
            )
        if status >= 500 or status < 200 or status in RECEIVER_AT_FAULT:
            wait = _seconds(answer.retry_after, self._now())
            self._not_before = self._clock.seconds() + wait
            later = f", asks to wait {wait:.0f} s" if wait else ""
            raise WebhookTrouble(f"{origin} answers HTTP {status}{_MEANING.get(status, '')}{later}")

    async def _rest_for_good(self) -> None:
        self._trouble = (
            f"{self._poster.target.origin} answers that it is gone for good (HTTP 410), so nothing is sent;"
            " change WEBHOOK_URL or take webhook out of SINKS, and restart"
        )
        await self._resting(Deferred())

    def _request(self, events: Sequence[EncodedEvent]) -> tuple[dict[str, str], bytes]:
        """Return headers and body of one request."""
        body = b'{"events":[' + b",".join(each.json for each in events) + b"]}"
        identity = f"msg_{hashlib.sha256(body).hexdigest()[:32]}"
        timestamp = str(int(self._now()))
        headers = self._headers | {
            "Webhook-Id": identity,
            "Webhook-Timestamp": timestamp,
            "Idempotency-Key": identity,
        }
        if self._settings.secret:
            headers["Webhook-Signature"] = sign(self._settings.secret, identity, timestamp, body)
        return headers, body

    def _fixed_headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": f"bssci/{__version__}"}
        user = self._poster.target.user
        if self._settings.authorization:
            headers["Authorization"] = self._settings.authorization
        elif user is not None:
            headers["Authorization"] = f"Basic {base64.b64encode(':'.join(user).encode()).decode()}"
        return headers

    def _without_secrets(self, text: str) -> str:
        """Return a receiver's text without secrets, in case it repeats the request."""
        for secret in self._secrets():
            text = text.replace(secret, "***")
        return text

    def _secrets(self) -> list[str]:
        """Return the request's possible secrets: the credentials, and the longer parts of the URL."""
        target, header = self._poster.target, self._headers.get("Authorization", "")
        parts = re.split(r"[/?&=]", target.uri.decode().removeprefix(target.origin))
        secrets = [
            header,
            *header.split()[1:],
            *(target.user or ()),
            *(part for part in parts if len(part) > 7),
        ]
        return sorted((secret for secret in secrets if len(secret) > 3), key=len, reverse=True)


def sign(key: bytes, identity: str, timestamp: str, body: bytes) -> str:
    """Return the header ``webhook-signature``: HMAC-SHA256 of id, timestamp and body with dots between."""
    digest = hmac.new(key, f"{identity}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def parse_url(text: str) -> Target | None:
    """Return the target of a URL; None if it is empty.

    :raises ValueError: it is not a URL of a web server.
    """
    return parse_target(text) if text.strip() else None


def parse_secret(text: str) -> bytes:
    """Return the key of a secret: ``whsec_`` and Base64 as in Standard Webhooks, or any other text.

    :raises ValueError: what follows ``whsec_`` is not Base64.
    """
    text = parsers.text.parse(text.strip())
    if not text.startswith("whsec_"):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise ValueError("allowed is whsec_ followed by Base64, or text that begins otherwise") from None


def parse_header(text: str) -> str:
    """Return the value of a header.

    :raises ValueError: it holds characters that no header can.
    """
    text = text.strip()
    if not (text.isascii() and all(character.isprintable() for character in text)):
        raise ValueError("allowed is one line of ASCII")
    return text


_MEANING = {
    401: ": it requires other credentials",
    403: ": it refuses the credentials",
    404: ": there is nothing at that path",
    405: ": it does not accept POST at that path",
    429: ": it gets too many requests",
}


def _seconds(retry_after: str, now: float) -> float:
    """Return the s that a Retry-After asks for, in either of its forms; 0 if it cannot be read."""
    text = retry_after.strip()
    try:
        wait = (
            float(text)
            if text.isdigit()
            else parsedate_to_datetime(text).replace(tzinfo=UTC).timestamp() - now
        )
    except (ValueError, OverflowError):
        return 0.0
    return min(max(0.0, wait), LONGEST_WAIT)


@implementer(IPlugin, ISinkFactory)
class WebhookSinkFactory:
    """Builds the sink ``webhook``.

    :param get_reactor: returns the reactor; called when the sink is built, because importing a reactor
        installs it.
    """

    name = "webhook"
    description = "sends uplinks and events to a URL, in signed batches of JSON"
    settings = (
        SinkSetting(
            "WEBHOOK_URL",
            "",
            "URL that batches are sent to; it may hold user:password@",
            Parser(
                parse_url, "a URL such as https://host/path, other characters than ASCII as %XX; may be empty"
            ),
            secret=True,
        ),
        SinkSetting(
            "WEBHOOK_SECRET",
            "",
            "key of the signature; empty: none",
            Parser(parse_secret, "whsec_ followed by Base64, or text on one line that begins otherwise"),
            secret=True,
        ),
        SinkSetting(
            "WEBHOOK_AUTHORIZATION",
            "",
            "header Authorization, for example Bearer and a token; empty: none",
            Parser(parse_header, "one line of ASCII"),
            secret=True,
        ),
        SinkSetting("WEBHOOK_BATCH_SIZE", "100", "events in a request, at most", parsers.integer(1, 500)),
        SinkSetting("WEBHOOK_TIMEOUT", "30", "time that a request may take, s", parsers.number(1, 600)),
        SinkSetting(
            "WEBHOOK_CA_FILE",
            "",
            "authorities that may sign the receiver's certificate; empty: the system's",
            parsers.optional_path,
        ),
        SinkSetting("WEBHOOK_EVENTS", "", "kinds of events, separated by commas; empty: all", EVENT_KINDS),
    )

    def __init__(self, get_reactor: Callable[[], Any]) -> None:
        self._get_reactor = get_reactor

    def build(self, settings: Mapping[str, Any], center: Any) -> WebhookSink:
        if settings["WEBHOOK_URL"] is None:
            raise ValueError("WEBHOOK_URL is empty: set it to the URL that batches are to be sent to")
        reactor = self._get_reactor()
        poster = make_poster(
            reactor,
            settings["WEBHOOK_URL"],
            settings["WEBHOOK_TIMEOUT"],
            settings["WEBHOOK_CA_FILE"],
            "WEBHOOK_CA_FILE",
        )
        return WebhookSink(
            reactor,
            poster,
            WebhookSettings(
                secret=settings["WEBHOOK_SECRET"],
                authorization=settings["WEBHOOK_AUTHORIZATION"],
                batch_size=settings["WEBHOOK_BATCH_SIZE"],
                kinds=settings["WEBHOOK_EVENTS"],
            ),
        )

    def check(self, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield a line for ``bssci check``: whether the receiver is there. Nothing is posted."""
        target: Target | None = settings["WEBHOOK_URL"]
        if target is None:
            return  # build says so
        try:
            reach(target.origin, TRIAL_TIME, settings["WEBHOOK_CA_FILE"])
        except (OSError, UnicodeError) as error:
            yield "error", f"webhook: {target.origin}: {reason_of(error)}"
        else:
            yield "ok", f"webhook: {target.origin} is there; nothing was posted"
