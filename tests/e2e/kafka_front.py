"""TLS, and user and password, in front of a broker that has neither: what librdkafka does then is seen here.

::

    client --TLS--> ApiVersions, SaslHandshake, SaslAuthenticate --> from then on byte by byte --> broker

Kafka's protocol: a frame is its size (int32), then the key of the request, its version, a number that comes
back (int16, int16, int32), the client's name (int16, text), and what the request says.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import socket
import ssl
import struct
from threading import Thread
from types import TracebackType

VERSIONS, HANDSHAKE, AUTHENTICATE = 18, 17, 36
FAILED = 58
ITERATIONS = 4096
FIRST_FLEXIBLE = 3
"""version of the answer about versions whose lists have a size of variable length"""


class Refused(Exception):
    """A client that does not show what it must."""


class KafkaFront:
    """A context manager: listens with TLS, and hands on to a broker.

    :param upstream: port of the broker.
    :param user: name and password; None: nobody is asked.
    :ivar mechanisms: those that clients showed their password by.
    """

    def __init__(self, context: ssl.SSLContext, upstream: int, user: tuple[str, str] | None = None) -> None:
        self._context = context
        self._upstream = upstream
        self._user = user
        self.mechanisms: list[str] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.servers = f"127.0.0.1:{self.port}"

    def to(self, upstream: int) -> None:
        """Hand on to another port from now on."""
        self._upstream = upstream

    def __enter__(self) -> KafkaFront:
        Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            secure = self._context.wrap_socket(client, server_side=True)
            broker = socket.create_connection(("127.0.0.1", self._upstream))
        except OSError:
            client.close()
            return
        try:
            if self._user is not None:
                self._authenticate(secure, broker)
            Thread(target=_pump, args=[broker, secure], daemon=True).start()
            _pump(secure, broker)
        except (OSError, Refused, ConnectionError):
            secure.close()
            broker.close()

    def _authenticate(self, client: socket.socket, broker: socket.socket) -> None:
        """Answer until the client has shown user and password."""
        mechanism, scram = "", None
        while True:
            frame = _frame(client)
            key, version, number = struct.unpack_from(">hhi", frame)
            if key == VERSIONS:
                broker.sendall(_sized(frame))
                client.sendall(_sized(_with_sasl(_frame(broker), version)))
                continue
            (length,) = struct.unpack_from(">h", frame, 8)
            said = frame[10 + max(length, 0) :]
            if key == HANDSHAKE:
                mechanism = said[2 : 2 + struct.unpack_from(">h", said)[0]].decode()
                client.sendall(_sized(struct.pack(">ihi", number, 0, 1) + _text(mechanism)))
                continue
            if key != AUTHENTICATE:
                raise Refused(f"request {key} before user and password")
            (size,) = struct.unpack_from(">i", said)
            token = said[4 : 4 + size]
            try:
                if mechanism == "PLAIN":
                    answer, done = self._plain(token), True
                else:
                    scram = scram or _Scram(mechanism, *self._known())
                    answer, done = scram.take(token)
            except Refused as error:
                body = struct.pack(">ih", number, FAILED) + _text(str(error)) + struct.pack(">i", 0)
                client.sendall(_sized(body + (struct.pack(">q", 0) if version else b"")))
                raise
            body = struct.pack(">ihhi", number, 0, -1, len(answer)) + answer
            client.sendall(_sized(body + (struct.pack(">q", 0) if version else b"")))
            if done:
                self.mechanisms.append(mechanism)
                return

    def _plain(self, token: bytes) -> bytes:
        if tuple(token.decode().split("\0")[1:]) != self._known():
            raise Refused("Authentication failed: Invalid username or password")
        return b""

    def _known(self) -> tuple[str, str]:
        assert self._user is not None
        return self._user


class _Scram:
    """The server's side of SCRAM (RFC 5802)."""

    def __init__(self, mechanism: str, user: str, password: str) -> None:
        self._hash = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}[mechanism]
        self._user = user
        self._salt = os.urandom(16)
        self._salted = hashlib.pbkdf2_hmac(self._hash, password.encode(), self._salt, ITERATIONS)
        self._first = self._ours = ""

    def take(self, token: bytes) -> tuple[bytes, bool]:
        """Return the answer to a message, and whether it is the last."""
        text = token.decode()
        if not self._first:
            self._first = text.removeprefix("n,,")
            fields = dict(each.split("=", 1) for each in self._first.split(","))
            if fields["n"] != self._user:
                raise Refused("Authentication failed: no such user")
            salt = base64.b64encode(self._salt).decode()
            self._ours = f"r={fields['r']}{base64.b64encode(os.urandom(9)).decode()},s={salt},i={ITERATIONS}"
            return self._ours.encode(), False
        bare, _, proof = text.rpartition(",p=")
        message = f"{self._first},{self._ours},{bare}".encode()
        client = self._mac(self._salted, b"Client Key")
        stored = hashlib.new(self._hash, client).digest()
        signature = self._mac(stored, message)
        if bytes(a ^ b for a, b in zip(client, signature, strict=True)) != base64.b64decode(proof):
            raise Refused("Authentication failed: wrong password")
        verified = self._mac(self._mac(self._salted, b"Server Key"), message)
        return b"v=" + base64.b64encode(verified), True

    def _mac(self, key: bytes, message: bytes) -> bytes:
        return hmac.new(key, message, self._hash).digest()


def _with_sasl(answer: bytes, version: int) -> bytes:
    """Return an answer about versions in which both requests of SASL are offered, too."""
    head, rest = answer[:6], answer[6:]
    offered = [(HANDSHAKE, 1, 1), (AUTHENTICATE, 0, 1)]
    if version < FIRST_FLEXIBLE:
        (count,) = struct.unpack_from(">i", rest)
        kept = [struct.unpack_from(">hhh", rest, 4 + 6 * each) for each in range(count)]
        all_of = [each for each in kept if each[0] not in (HANDSHAKE, AUTHENTICATE)] + offered
        tail = rest[4 + 6 * count :]
        return (
            head
            + struct.pack(">i", len(all_of))
            + b"".join(struct.pack(">hhh", *each) for each in all_of)
            + tail
        )
    count, at = rest[0] - 1, 1
    assert rest[0] < 0x80, "a size of one byte"
    entries = [rest[at + 7 * each : at + 7 * each + 7] for each in range(count)]
    kept_entries = [
        each for each in entries if struct.unpack_from(">h", each)[0] not in (HANDSHAKE, AUTHENTICATE)
    ]
    made = kept_entries + [struct.pack(">hhhB", *each, 0) for each in offered]
    return head + bytes([len(made) + 1]) + b"".join(made) + rest[at + 7 * count :]


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _sized(frame: bytes) -> bytes:
    return struct.pack(">i", len(frame)) + frame


def _frame(side: socket.socket) -> bytes:
    (size,) = struct.unpack(">i", _exactly(side, 4))
    return _exactly(side, size)


def _exactly(side: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = side.recv(size - len(found))
        if not more:
            raise ConnectionError("closed")
        found += more
    return found


def _pump(here: socket.socket, there: socket.socket) -> None:
    try:
        while data := here.recv(65536):
            there.sendall(data)
    except OSError:
        pass  # one side is gone: so goes the other
    for side in (here, there):
        side.close()
