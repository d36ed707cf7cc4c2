"""The handshake of a WebSocket for MQTT, by the library websockets."""

from __future__ import annotations

from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from bssci.web.http.site import AdminRequest

SUBPROTOCOL = Subprotocol("mqtt")


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
