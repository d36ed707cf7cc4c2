"""Read a live stream of bssci, and print, store or forward the messages.

    settings --> token's form --> connect, verified --> subscribe --> messages --> output --> acknowledged
                                     ^                                   |
                                     +--- 1, 2, 4 ... 30 s <--- lost ----+

Exit status: 0 after a signal, 1 wrong settings, 2 the token is refused, 3 the certificate is not trusted.
"""

import json
import os
import queue
import random
import re
import signal
import sqlite3
import ssl
import sys
import threading
import time
import urllib.request
import zlib
from pathlib import Path
from urllib.parse import urlsplit

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BUFFER = 1000
FIRST_DELAY, LONGEST_DELAY = 1.0, 30.0
KEEP_ALIVE = 60


class Fatal(Exception):
    """A fault that another attempt would not correct."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def load_settings(path=Path(".env")):
    """Return the settings of the environment; those that are missing there come from the file ``.env``."""
    settings = {}
    if path.exists():
        for line in path.read_text().splitlines():
            name, equals, value = line.partition("=")
            if equals and not name.lstrip().startswith("#"):
                settings[name.strip()] = value.strip()
    return settings | {name: value for name, value in os.environ.items() if value}


def check_token(token):
    """Check prefix, length and checksum, so that a mistyped token is not even sent."""
    if not re.fullmatch("bssci_mqtt_[0-9A-Za-z]{38}", token):
        raise Fatal(1, "MQTT_API_TOKEN must be bssci_mqtt_ and 38 letters or digits")
    drawn, number, checksum = token[11:43], zlib.crc32(token[11:43].encode()), ""
    while len(checksum) < 6:
        number, digit = divmod(number, 62)
        checksum = ALPHABET[digit] + checksum
    if token != f"bssci_mqtt_{drawn}{checksum}":
        raise Fatal(1, "MQTT_API_TOKEN is mistyped: its checksum is wrong")


def console(settings):
    """Return an output that prints."""

    def write(topic, body):
        told = body if isinstance(body, dict) else {}
        words = (topic, json.dumps(body))
        if "sensor" in told:
            words = (told[name] for name in ("timestamp", "device_id", "sensor", "value"))
            words = (*words, told.get("unit") or "")
        try:
            print(*words, flush=True)
        except BrokenPipeError:
            raise Fatal(1, "nobody reads the output any more") from None

    return write


def database(settings):
    """Return an output that keeps readings in SQLite; a reading that comes twice is kept once."""
    connection = sqlite3.connect(settings.get("DATABASE_PATH") or "readings.db", check_same_thread=False)
    connection.execute(
        "CREATE TABLE IF NOT EXISTS reading (timestamp TEXT, device_id TEXT, sensor TEXT, value, unit TEXT,"
        " PRIMARY KEY (timestamp, device_id, sensor)) WITHOUT ROWID"
    )

    def write(topic, body):
        if isinstance(body, dict) and "sensor" in body:
            names = ("timestamp", "device_id", "sensor", "value", "unit")
            with connection:
                row = [body[name] for name in names]
                connection.execute("INSERT OR REPLACE INTO reading VALUES (?, ?, ?, ?, ?)", row)

    return write


def webhook(settings):
    """Return an output that posts each message as JSON; every status 2xx counts as success."""
    url = settings.get("WEBHOOK_URL", "")
    if not url.startswith(("https://", "http://")):
        raise Fatal(1, "WEBHOOK_URL must be a URL")

    def write(topic, body):
        data = json.dumps({"topic": topic, "payload": body}).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method="POST")
        urllib.request.urlopen(request, timeout=20).close()

    return write


OUTPUTS = {"console": console, "database": database, "webhook": webhook}


def delays():
    """Yield 1, 2, 4 ... 30 s, each extended at random, so that not all clients reconnect at once."""
    delay = FIRST_DELAY
    while True:
        yield delay * (1 + 0.25 * random.random())
        delay = min(2 * delay, LONGEST_DELAY)


class Stream:
    """The client: paho's network loop in this thread, the output in a second one."""

    def __init__(self, settings):
        self.url = urlsplit(settings.get("MQTT_BROKER_URL", ""))
        if self.url.scheme not in ("ws", "wss") or not self.url.hostname:
            raise Fatal(1, "MQTT_BROKER_URL must be wss://host:port/mqtt")
        if self.url.scheme == "ws" and self.url.hostname not in ("localhost", "127.0.0.1"):
            raise Fatal(1, "ws:// sends the token in the clear: use wss://")
        token = settings.get("MQTT_API_TOKEN", "")
        check_token(token)
        name = settings.get("OUTPUT") or "console"
        if name not in OUTPUTS:
            raise Fatal(1, f"OUTPUT must be one of {', '.join(OUTPUTS)}")
        self.write = OUTPUTS[name](settings)
        self.topic = settings.get("MQTT_TOPIC") or "device/+/telemetry/#"
        self.waiting = queue.Queue(BUFFER)
        self.stopped = threading.Event()
        self.failure = None
        self.connections = 0
        self.connected_at = 0.0
        client_id = settings.get("MQTT_CLIENT_ID", "")
        self.client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=not client_id,
            transport="websockets",
            manual_ack=True,
            reconnect_on_failure=False,
        )
        self.client.ws_set_options(path=self.url.path or "/mqtt")
        if self.url.scheme == "wss":
            # Verifies the certificate and the host name; there is no setting to switch that off.
            self.client.tls_set_context(
                ssl.create_default_context(cafile=settings.get("CA_CERT_PATH") or None)
            )
        self.client.username_pw_set(token)
        self.client.on_connect = self.on_connect
        self.client.on_subscribe = self.on_subscribe
        self.client.on_message = self.on_message

    def run(self):
        """Stay connected until :meth:`stop`."""
        threading.Thread(target=self.work, daemon=True).start()
        following = delays()
        while not self.stopped.is_set():
            reason = self.attempt()
            if self.failure is not None:
                raise self.failure
            if self.stopped.is_set():
                return
            if self.connected_at and time.monotonic() - self.connected_at > 10:
                following = delays()
            delay = next(following)
            print(f"not connected, next attempt in {delay:.1f} s: {reason}", file=sys.stderr)
            self.stopped.wait(delay)

    def stop(self, *_):
        self.stopped.set()
        self.client.disconnect()

    def attempt(self):
        """Connect and read until the connection is lost; return why."""
        self.connections += 1
        self.connected_at = 0.0
        try:
            self.client.connect(self.url.hostname, self.url.port or 443, KEEP_ALIVE)
            self.client.loop_forever()
        except ssl.SSLCertVerificationError as error:
            self.fail(Fatal(3, f"the certificate is not trusted: {error.verify_message}"))
        except OSError as error:
            return str(error)
        return "the connection was lost"

    def fail(self, failure):
        self.failure = failure
        self.stop()

    def on_connect(self, client, data, flags, code, properties):
        if not code.is_failure:
            self.connected_at = time.monotonic()
            print("connected" + (", session resumed" if flags.session_present else ""), file=sys.stderr)
            client.subscribe(self.topic, qos=1)
        elif str(code) != "Server unavailable":
            self.fail(Fatal(2, f"the service refuses the connection: {code}"))

    def on_subscribe(self, client, data, number, codes, properties):
        if codes[0].is_failure:
            self.fail(Fatal(2, f"the token does not allow {self.topic}"))

    def on_message(self, client, data, message):
        # Waits while the buffer is full; the service then holds back further messages.
        self.waiting.put((self.connections, message))

    def work(self):
        """Write one message after the other; acknowledge each after it is written."""
        while True:
            connection, message = self.waiting.get()
            following = delays()
            while not self.stopped.is_set():
                try:
                    self.write(message.topic, json.loads(message.payload))
                    break
                except Fatal as failure:
                    self.fail(failure)
                    return
                except (OSError, sqlite3.Error, ValueError) as error:
                    delay = next(following)
                    print(f"not written, next attempt in {delay:.1f} s: {error}", file=sys.stderr)
                    self.stopped.wait(delay)
            else:
                return
            if connection == self.connections:
                self.client.ack(message.mid, message.qos)


def main():
    try:
        stream = Stream(load_settings())
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stream.stop)
        stream.run()
    except Fatal as error:
        print(f"error: {error}", file=sys.stderr)
        return error.status
    except OSError as error:
        print(f"error: {error.filename or ''} {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
