"""The connection to a live stream, which is verified, kept alive, and opened again when it is lost.

    load --> check the token --> connect --> verify --> authenticate --> subscribe --> read
                                    ^                                                   |
                                    +------- 1, 2, 4 ... 30 s ---- lost <---------------+

A message is acknowledged when it is written, so messages that were read but not written are delivered again;
with a client identifier even after a restart.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, WebsocketConnectionError
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from bssci.stream.address import PATH, StreamAddress, StreamError
from bssci.stream.messages import StreamMessage
from bssci.stream.writer import Arrival, OutputWriter, delays

KEEP_ALIVE = 60
"""longest time in s without a packet to the service (MQTT keep alive)"""
SETTLED_AFTER = 10.0
"""s that a connection must last before the delay is reset"""
_REFUSED = {1: "protocol version", 2: "client identifier", 4: "token", 5: "token"}
"""permanent reasons for a refused CONNECT, by return code of the CONNACK"""
_CODES = {"Unsupported protocol version": 1, "Client identifier not valid": 2, "Bad user name or password": 4,
          "Not authorized": 5}  # fmt: skip

_NO_TLS = "without WEB_TLS=true the service speaks no TLS"

log = logging.getLogger("bssci.watch")


class ExitStatus(IntEnum):
    """Exit statuses; argparse uses 2 for wrong usage."""

    DONE = 0
    """ended as requested, or by a signal"""
    WRONG = 1
    """the user must correct the URL, the form of the token, or a file"""
    REFUSED = 3
    """the service refuses the token, or every topic"""
    NOT_TRUSTED = 4
    """the service's certificate cannot be verified"""
    UNREACHABLE = 5
    """no connection for longer than allowed"""
    NOT_WRITTEN = 6
    """the output failed too often"""
    NOTHING = 7
    """fewer messages came than expected"""


def verifying(ca_file: Path | None) -> ssl.SSLContext:
    """Return a context that verifies certificate and host name.

    :param ca_file: trusted authorities (PEM); None: those of the system.
    :raises StreamError: the file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise StreamError(f"{ca_file}: {getattr(error, 'strerror', None) or error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class Watch:
    """A client of a live stream.

    :param client_id: name of the session; empty: no session is kept, and messages missed meanwhile are lost.
    :param give_up: s without a connection after which it ends; 0: never.
    :param enough: messages after which it ends; 0: never.
    """

    def __init__(
        self,
        address: StreamAddress,
        token: str,
        topics: Sequence[str],
        *,
        client_id: str = "",
        ca_file: Path | None = None,
        give_up: float = 0.0,
        enough: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = address
        self._topics = tuple(topics)
        self._give_up = give_up
        self._enough = enough
        self._clock = clock
        self._ended = threading.Event()
        self._outcome = ExitStatus.DONE
        self._writer: OutputWriter | None = None
        self._taken = 0
        self._opened_at: float | None = None
        self._connection = 0
        """number of the current connection; messages of an earlier connection can no longer be
        acknowledged
        """
        self.reason = ""
        """reason why it ended or is not connected"""
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=not client_id,
            transport="websockets",
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.ws_set_options(path=address.path)
        if address.tls:
            client.tls_set_context(verifying(ca_file))
        client.username_pw_set(token)
        client.on_connect, client.on_subscribe = self._connected, self._subscribed
        client.on_message, client.on_disconnect = self._received, self._disconnected
        # With this callback, what other threads send waits for the loop: only one may use a TLS socket.
        client.on_socket_register_write = lambda *_: None
        self._client = client

    def run(self, writer: OutputWriter) -> ExitStatus:
        """Read and have ``writer`` write until the end; return the exit status."""
        self._writer = writer
        following, lost_at = delays(), self._clock()
        while not self._ended.is_set():
            self._opened_at = None
            self._attempt()
            if self._ended.is_set():
                break
            now = self._clock()
            if self._opened_at is not None:
                lost_at = now
                if now - self._opened_at >= SETTLED_AFTER:
                    following = delays()
            if self._give_up and now - lost_at >= self._give_up:
                return self._end(ExitStatus.UNREACHABLE, self.reason)
            delay = following()
            log.warning("not connected to %s, next attempt in %.1f s: %s", self._address, delay, self.reason)
            self._ended.wait(delay)
        return self._outcome

    def stop(self) -> None:
        """End; for another thread. A signal handler starts one, as it could wait for a lock of its own."""
        self._end(ExitStatus.DONE, "")

    def not_written(self) -> None:
        """End because the writer has given up."""
        assert self._writer is not None  # set by run
        self._end(ExitStatus.NOT_WRITTEN, self._writer.error)

    def _end(self, outcome: ExitStatus, reason: str) -> ExitStatus:
        if not self._ended.is_set():
            self._outcome, self.reason = outcome, reason
            self._ended.set()
            self._client.disconnect()
        return self._outcome

    def _attempt(self) -> None:
        self._connection += 1
        try:
            self._client.connect(self._address.host, self._address.port, KEEP_ALIVE)
            if self._ended.is_set():
                # While there was no connection yet, the end could not close it.
                self._client.disconnect()
            self._client.loop_forever()
        except ssl.SSLCertVerificationError as error:
            self._end(ExitStatus.NOT_TRUSTED, f"the certificate is not trusted: {error.verify_message}")
        except (OSError, ValueError) as error:
            self.reason = _reason(error, self._address)

    # Callbacks of paho

    def _connected(
        self, client: Client, data: Any, flags: ConnectFlags, code: ReasonCode, more: Properties | None
    ) -> None:
        if code.is_failure:
            self.reason = f"the service answers: {code}"
            refused = _REFUSED.get(_CODES.get(str(code), 0))
            if refused is not None:
                self._end(ExitStatus.REFUSED, f"the service refuses the {refused}: {code}")
            return
        self._opened_at = self._clock()
        log.info("connected to %s%s", self._address, ", session resumed" if flags.session_present else "")
        client.subscribe([(topic, 1) for topic in self._topics])

    def _subscribed(
        self, client: Client, data: Any, number: int, codes: list[ReasonCode], more: Properties | None
    ) -> None:
        refused = [topic for topic, code in zip(self._topics, codes, strict=False) if code.is_failure]
        for topic in refused:
            log.warning("the token does not allow %s", topic)
        if len(refused) == len(self._topics):
            self._end(ExitStatus.REFUSED, "the token allows none of the topics")

    def _received(self, client: Client, data: Any, message: MQTTMessage) -> None:
        if self._writer is None or (self._enough and self._taken >= self._enough):
            return
        self._taken += 1
        mid, qos, connection = message.mid, message.qos, self._connection

        def acknowledge() -> None:
            if connection == self._connection:
                client.ack(mid, qos)
            if self._enough and self._writer is not None and self._writer.written >= self._enough:
                self._end(ExitStatus.DONE, "")

        told = StreamMessage(message.topic, bytes(message.payload), time.time(), bool(message.retain))
        self._writer.put(Arrival(told, acknowledge))

    def _disconnected(
        self,
        client: Client,
        data: Any,
        flags: DisconnectFlags,
        code: ReasonCode,
        more: Properties | None,
    ) -> None:
        if not self._ended.is_set() and (not self.reason or self._opened_at is not None):
            self.reason = "the connection was lost"


def _reason(error: OSError | ValueError, address: StreamAddress) -> str:
    """Return in words why there is no connection to an address."""
    if isinstance(error, WebsocketConnectionError):
        words = "" if address.tls else ", and with WEB_TLS=true its address begins with wss://"
        return f"no live stream answers there; its path is {PATH}{words}"
    if isinstance(error, TimeoutError) and address.tls and error.strerror is None:
        return f"the TLS handshake is not answered; {_NO_TLS}"
    if isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER":
        return f"no TLS is spoken there; {_NO_TLS}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
