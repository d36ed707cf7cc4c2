"""A receiver of POST requests in memory: an agent that answers as told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer
from zope.interface import implementer


class Collector:
    """A consumer that keeps what is written."""

    def __init__(self) -> None:
        self.body = b""

    def write(self, data: bytes) -> None:
        self.body += data


@dataclass
class Request:
    uri: bytes
    headers: dict[str, str]
    body: bytes

    @property
    def ids(self) -> list[str]:
        """Ids of the uplinks in it."""
        return [event["id"] for event in json.loads(self.body)["events"] if event["kind"] == "uplink"]


@dataclass
class Response:
    """What a receiver answers."""

    code: int = 200
    fields: dict[str, str] = field(default_factory=dict)
    body: bytes = b"thanks"
    version: tuple[bytes, int, int] = (b"HTTP", 1, 1)

    @property
    def headers(self) -> Headers:
        return Headers({name: [value] for name, value in self.fields.items()})

    def deliverBody(self, protocol: Protocol) -> None:
        protocol.dataReceived(self.body)
        protocol.connectionLost(Failure(ResponseDone()))


@implementer(IAgent)
class Receiver:
    """The agent.

    :ivar requests: all that came, also those that were refused.
    :ivar taken: ids of the uplinks in requests that were answered with 2xx.
    :ivar away: refuses connections.
    :ivar silent: takes requests and does not answer; these wait in ``unanswered``.
    :ivar answer: what a request is answered with.
    """

    def __init__(self, answer: Callable[[Request], Response] = lambda request: Response()) -> None:
        self.requests: list[Request] = []
        self.taken: list[str] = []
        self.away = False
        self.silent = False
        self.unanswered: list[Deferred[Any]] = []
        self.answer = answer

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[Any]:
        assert method == b"POST" and headers is not None and bodyProducer is not None
        if self.away:
            return fail(Refused(111))
        collector = Collector()
        bodyProducer.startProducing(collector)
        assert bodyProducer.length == len(collector.body)
        sent = {name.decode().lower(): values[0].decode() for name, values in headers.getAllRawHeaders()}
        request = Request(uri, sent, collector.body)
        self.requests.append(request)
        if self.silent:
            self.unanswered.append(Deferred())
            return self.unanswered[-1]
        response = self.answer(request)
        if 200 <= response.code < 300:
            self.taken += request.ids
        return succeed(response)
