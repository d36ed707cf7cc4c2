"""The child process of ``MQTT_BROKER=embedded``: amqtt on the loopback, nothing on disk.

It prints one line on standard output, ``ready`` or what went wrong. It ends on SIGTERM, or when standard
input closes, which happens when the parent process ends for whatever reason.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import logging
import os
import signal
import sys
from typing import Any

PORT_TAKEN = 3
NOT_INSTALLED = 4
"""exit statuses, besides 1 for any other error"""


def main() -> None:
    parser = argparse.ArgumentParser(description="The child process of MQTT_BROKER=embedded.")
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    # Ctrl-C reaches the whole process group; when to end is the parent's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.CRITICAL)
    try:
        import amqtt.broker  # noqa: F401
    except ImportError as error:
        _leave(NOT_INSTALLED, str(error))
    asyncio.run(_serve(port))


async def _serve(port: int) -> None:
    from amqtt.broker import Broker
    from amqtt.errors import BrokerError

    class OwnBroker(Broker):  # type: ignore[misc]
        """Sends a subscriber only what is retained for its own filters; amqtt's broker adds everybody
        else's."""

        async def _publish_retained_messages_for_subscription(self, subscription: Any, session: Any) -> None:
            subscribers = self._subscriptions.get(subscription[0], ())
            if any(each.client_id == session.client_id for each, _ in subscribers):
                await super()._publish_retained_messages_for_subscription(subscription, session)

    broker = OwnBroker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, _leave, 0)
    loop.add_reader(sys.stdin.fileno(), _end_with_input)
    try:
        await broker.start()
    except BrokerError as error:
        cause = error.__cause__
        taken = isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE
        _leave(PORT_TAKEN if taken else 1, str(cause or error))
    print("ready", flush=True)
    await loop.create_future()


def _end_with_input() -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        _leave(0)


def _leave(status: int, message: str = "") -> None:
    """Exit at once: there is nothing to save, and amqtt's own shutdown waits for its clients."""
    if message:
        print(message, flush=True)
    os._exit(status)


if __name__ == "__main__":
    main()
