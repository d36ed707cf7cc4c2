"""The request that upgrades a connection to a client of the live stream."""

from __future__ import annotations

from bssci.web.door.door import Door
from bssci.web.http.proxies import visit_of
from bssci.web.http.site import AdminRequest

DOOR_PATH = b"/mqtt"


class Upgrade:
    """Answers requests for :data:`DOOR_PATH`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def __call__(self, request: AdminRequest) -> None:
        # With the first client: where nobody asks for the live stream, its library takes no memory.
        from bssci.web.door.handshake import answer_to

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


def _refuse(request: AdminRequest, status: int, phrase: str, body: bytes) -> None:
    request.setResponseCode(status, phrase.encode("ascii"))
    request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
    request.setHeader(b"Content-Length", str(len(body)).encode())
    if request.method != b"HEAD":
        request.write(body)
    request.finish()
