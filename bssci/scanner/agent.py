"""The scanner: it filters, deduplicates and publishes advertisements, reports its state and takes commands.

::

    radio --> allowed? new? --> outbox --> {prefix}/raw/{id}
      ^                                    {prefix}/scanner/{id}/status, retained; the last will says offline
      +------- pause, resume, lists <----- {prefix}/command/{id}
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.logger import Logger

from bssci.model.iso_times import iso_milliseconds
from bssci.mqtt.values import Publication, Received
from bssci.scanner.advertisement import VERSION, HeardAdvertisement, message_of
from bssci.scanner.choosing import Choice
from bssci.scanner.configuration import ConfigurationError, ScannerConfiguration
from bssci.scanner.outbox import Outbox
from bssci.scanner.radio import Radio, StartScan
from bssci.scanner.thinning import Thinning
from bssci.scanner.usage import ProcessUsage
from bssci.system.clock import Clock, Ticker
from bssci.system.line_limit import LineLimit, telling

DEVICES = 20_000
"""devices that are remembered, at most"""
GOODBYE = 1.0
"""s to wait for outstanding messages when it stops"""
LARGEST_COMMAND = 512 * 1024
"""largest command, in bytes"""


class CommandMessage(msgspec.Struct):
    """A message on ``{prefix}/command/{id}``."""

    command: str
    version: str = VERSION
    parameters: dict[str, Any] = {}


class Topics:
    """Topics of a scanner."""

    def __init__(self, prefix: str, scanner_id: str) -> None:
        prefix = prefix.rstrip("/")
        self.raw = f"{prefix}/raw/{scanner_id}"
        self.status = f"{prefix}/scanner/{scanner_id}/status"
        self.command = f"{prefix}/command/{scanner_id}"


class Agent:
    """A running scanner.

    :param reread: reads the configuration again; raises :class:`ConfigurationError`.
    :param make_client: makes the MQTT client, given its callbacks.
    :param now: Unix seconds.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        configuration: ScannerConfiguration,
        reread: Callable[[], ScannerConfiguration],
        start_scan: StartScan,
        make_client: Callable[..., Any],
        now: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._now = now
        self._reread = reread
        self.topics = Topics(configuration.mqtt.topic_prefix, configuration.id)
        self._id = configuration.id
        self._lines = LineLimit(clock.seconds)
        self._began = clock.seconds()
        self._usage = ProcessUsage(clock.seconds)
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._seen_count = self._blocked = self._passed = 0
        self._blocked_devices: OrderedDict[str, None] = OrderedDict()
        self._beat: Ticker | None = None
        self.client = make_client(
            on_online=self._online, on_offline=lambda reason: None, on_message=self._received
        )
        self.outbox = Outbox(self.client, configuration.buffer.while_offline, configuration.buffer.size)
        self.radio = Radio(clock, start_scan, self._heard, configuration.scanner.mode)
        self._use(configuration)

    def start(self) -> None:
        """Begin to scan, connect and report."""
        self.client.subscribe([self.topics.command])
        self.radio.start()
        self.client.start()
        self._beat_on()

    async def stop(self) -> None:
        """End the scan, publish the state "offline", and disconnect."""
        if self._beat is not None:
            self._beat.stop()
        await self.radio.stop()
        await self.client.stop(GOODBYE, last=self._status("offline"))

    def reload(self) -> str:
        """Read the file again and apply its lists and intervals; return the reason if that fails, else an
        empty text.

        Changes of the scanner's id, its adapter and the broker take effect only at the next start.
        """
        try:
            configuration = self._reread()
        except ConfigurationError as error:
            self.log.error("configuration not reloaded {reason}", reason=str(error))
            return str(error)
        self._use(configuration)
        self.log.info("configuration reloaded")
        return ""

    def _use(self, configuration: ScannerConfiguration) -> None:
        self._configuration = configuration
        blocked, allowed = configuration.blocklist, configuration.allowlist
        self._choice = Choice(
            blocked.devices if blocked.enabled else (), allowed.devices if allowed.enabled else ()
        )
        thinning = configuration.deduplication
        self._thinning = Thinning(thinning.strategy, thinning.interval_seconds) if thinning.enabled else None
        if self._beat is not None:
            self._beat_on()

    # Advertisements

    def _heard(self, advertisement: HeardAdvertisement) -> None:
        if _remember(self._seen, advertisement.address):
            self._seen_count += 1
        if not self._choice.passes(advertisement):
            _remember(self._blocked_devices, advertisement.address)
            return
        if self._thinning is not None and not self._thinning.passes(advertisement, self._clock.seconds()):
            return
        self._passed += 1
        self.outbox.add(Publication(self.topics.raw, message_of(advertisement, self._id, self._now())))

    # Reports

    def _beat_on(self) -> None:
        if self._beat is not None:
            self._beat.stop()
        heartbeat = self._configuration.heartbeat
        self._beat = Ticker(self._clock, heartbeat.interval_seconds, self._report)
        if heartbeat.enabled:
            self._beat.start()

    def _online(self) -> None:
        self._report()
        self.outbox.go_on()

    def _report(self) -> None:
        if self.client.online:
            degraded = self.radio.state != "scanning"
            self.client.publish([self._status("degraded" if degraded else "online")]).addErrback(
                lambda failure: None  # the next report repeats it
            )

    def _status(self, status: str) -> Publication:
        return Publication(self.topics.status, msgspec.json.encode(self.report(status)), retain=True)

    def report(self, status: str) -> dict[str, Any]:
        """Return the report of the scanner about itself.

        :param status: ``online``, ``degraded`` or ``offline``.
        """
        received = self.radio.received
        return {
            "version": VERSION,
            "timestamp": iso_milliseconds(self._now()),
            "scanner_id": self._id,
            "status": status,
            "uptime_seconds": round(self._clock.seconds() - self._began),
            "metrics": {
                "messages_sent": self.outbox.sent,
                "messages_dropped": self.outbox.dropped,
                "devices_seen": self._seen_count,
                "devices_blocked": len(self._blocked_devices),
                "advertisements_received": received,
                "deduplication_rate": round(1 - self._passed / received, 4) if received else 0.0,
            },
            "bluetooth": {
                "adapter": self._configuration.scanner.bluetooth_adapter,
                "status": self.radio.state,
                "mode": "passive" if self.radio.is_passive else "active",
                "errors": self.radio.errors,
                "trouble": self.radio.trouble,
            },
            "mqtt": {"connected": self.client.online, "reconnections": self.client.history.reconnects},
            "config": {
                "deduplication_interval": self._configuration.deduplication.interval_seconds,
                "blocklist_count": len(self._choice.blocked),
                "wrong_entries": len(self._choice.blocked.wrong) + len(self._choice.allowed.wrong),
            },
            "system": self._usage.report(),
        }

    # Commands

    def _received(self, message: Received) -> None:
        if message.retained:
            self._ignore("it is retained, and may be old")
            return
        try:
            if len(message.payload) > LARGEST_COMMAND:
                raise msgspec.ValidationError(f"larger than {LARGEST_COMMAND} bytes")
            command = msgspec.json.decode(message.payload, type=CommandMessage)
            if command.version.partition(".")[0] != VERSION.partition(".")[0]:
                raise msgspec.ValidationError(f"the version must be {VERSION}")
            self._carry_out(command)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            self._ignore(str(error)[:200])

    def _ignore(self, reason: str) -> None:
        if (left_out := self._lines.admit()) is not None:
            text = telling("command ignored {reason}", left_out)
            self.log.warn(text, reason=reason, left_out=left_out)

    def _carry_out(self, command: CommandMessage) -> None:
        if command.command == "pause":
            self.radio.stop()
        elif command.command == "resume":
            self.radio.start()
        elif command.command == "reload_config":
            self.reload()
        elif command.command == "update_blocklist":
            self._update_blocklist(command.parameters)
        else:
            raise ValueError(
                f"{command.command[:40]!r}: pause, resume, reload_config and update_blocklist are known"
            )
        self.log.info("command carried out {command}", command=command.command)
        self._report()

    def _update_blocklist(self, parameters: dict[str, Any]) -> None:
        """Change the block list until the file is read again: replace it by ``devices``, or ``add`` and
        ``remove`` entries.
        """
        entries = {name: parameters.get(name, []) for name in ("devices", "add", "remove")}
        if not entries.keys() & parameters.keys() or not all(map(_is_list_of_texts, entries.values())):
            raise ValueError("parameters: devices, or add and remove, each a list of texts")
        there = self._configuration.blocklist.devices
        kept = entries["devices"] if "devices" in parameters else there
        devices = [each for each in dict.fromkeys([*kept, *entries["add"]]) if each not in entries["remove"]]
        blocklist = msgspec.structs.replace(self._configuration.blocklist, devices=devices, enabled=True)
        self._use(msgspec.structs.replace(self._configuration, blocklist=blocklist))


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _remember(seen: OrderedDict[str, None], address: str) -> bool:
    """Remember an address; return whether it is new. The address that was silent longest is forgotten
    first.
    """
    if address in seen:
        seen.move_to_end(address)
        return False
    seen[address] = None
    if len(seen) > DEVICES:
        seen.popitem(last=False)
    return True


def ended(agent: Agent) -> Deferred[None]:
    """Stop an agent; fires when it has stopped."""
    return ensureDeferred(agent.stop())
