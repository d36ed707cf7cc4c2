"""The request that turns a connection into a client of the live stream."""

from __future__ import annotations

from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from bssci.web.door.door import Door
from bssci.web.http.proxies import visit_of
from bssci.web.http.site import AdminRequest

DOOR_PATH = b"/mqtt"
SUBPROTOCOL = Subprotocol("mqtt")


class Upgrade:
    """Answers requests for :data:`DOOR_PATH`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def __call__(self, request: AdminRequest) -> None:
        answer = answer_to(request)
        address = visit_of(request).address
        if not self._door.is_open:
            _refuse(request, 404, "Not Found", b"the live stream is switched off: LIVE_CLIENTS=0\n")
            return
        if answer.status_code == 101 and request.become(answer.serialize(), self._door.enter(address)):
            return
        self._door.ended["handshake"] += 1
        for name, value in answer.headers.raw_items():
            if name.lower() not in ("connection", "content-length", "date"):
                request.setHeader(name, value)
        _refuse(request, answer.status_code, answer.reason_phrase, answer.body or b"")


def answer_to(request: AdminRequest) -> Response:
    """Return the answer to a handshake; with the status 101 if it is one for MQTT, else why it is not."""
    headers = Headers()
    for name, values in request.requestHeaders.getAllRawHeaders():
        for value in values:
            headers[name.decode("latin-1")] = value.decode("latin-1")
    # Without extensions agreed on, a client may not compress, and what inflates is a broken frame.
    protocol = ServerProtocol(subprotocols=[SUBPROTOCOL])
    if request.method != b"GET" or request.clientproto != b"HTTP/1.1":
        return protocol.reject(405, "A WebSocket begins with GET and HTTP/1.1.\n")
    return protocol.accept(Request(request.uri.decode("latin-1"), headers))


def _refuse(request: AdminRequest, status: int, phrase: str, body: bytes) -> None:
    request.setResponseCode(status, phrase.encode("ascii"))
    request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
    request.setHeader(b"Content-Length", str(len(body)).encode())
    if request.method != b"HEAD":
        request.write(body)
    request.finish()
