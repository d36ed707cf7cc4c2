"""A simulated sensor: its telegrams, its signal at each station, and its handling of downlinks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from bssci.model.attach_crypto import attach_signature, session_key

FORMAT_PLAIN = 0
NOISE_DB = 1.5
"""Standard deviation of SNR and RSSI from their means, in dB."""


@dataclass(frozen=True)
class Signal:
    """Signal of a sensor at a base station: SNR in dB, RSSI in dBm."""

    snr: float
    rssi: float


@dataclass(frozen=True)
class RadioTelegram:
    """An uplink as a sensor sends it, before any base station hears it."""

    end_point_eui: int
    packet_counter: int
    payload: bytes
    format: int = FORMAT_PLAIN
    downlink_open: bool = False
    response_expected: bool = False
    downlink_acknowledged: bool = False


@dataclass(frozen=True)
class AttachTelegram:
    """A request of a sensor to be attached (§5.6)."""

    end_point_eui: int
    attach_counter: int
    nonce: bytes
    signature: bytes


@dataclass(frozen=True)
class DetachTelegram:
    """A sensor's message that it detaches itself (§5.7)."""

    end_point_eui: int
    packet_counter: int
    signature: bytes


@dataclass
class SimulatedSensor:
    """A sensor ("end point").

    :param heard_by: mean signal at each base station that hears it, by a key that the caller chooses.
    :param packet_counter: counter of the next uplink.
    :param attach_counter: counter of the last attach over the air; 24 bits.
    :param window_every: a bidirectional sensor opens a downlink window after each ``window_every``-th uplink.
    """

    eui: int
    random: Random
    heard_by: Mapping[int, Signal] = field(default_factory=dict)
    network_key: bytes = b""
    short_address: int = 0
    bidirectional: bool = False
    packet_counter: int = 0
    attach_counter: int = 0
    window_every: int = 1
    session_key: bytes = b""
    """16 bytes; empty until it attaches over the air."""
    instrument: Callable[[], tuple[int, bytes]] | None = None
    """Returns format and payload of the next measurement; None: payloads have no meaning."""
    is_silent: Callable[[], bool] = lambda: False
    """Returns whether the sensor sends nothing at present."""
    received: list[bytes] = field(default_factory=list)
    """Payloads of the downlinks that reached it."""

    def __post_init__(self) -> None:
        self.network_key = self.network_key or network_key_for(self.eui)
        self.short_address = self.short_address or self.eui & 0xFFFF
        self._temperature = 20 + self.random.gauss(0, 3)
        self._acknowledges: int | None = None

    def place(self, heard_by: Mapping[int, Signal]) -> None:
        """Set the stations that hear the sensor, with its signal at each."""
        self.heard_by = heard_by

    def go_on(self, packet_counter: int) -> None:
        """Continue from a packet counter."""
        self.packet_counter = packet_counter

    def attach_after(self, attach_counter: int) -> None:
        """Use attach counters above one of an earlier run."""
        self.attach_counter = attach_counter & 0xFFFFFF

    def registered_as(self, short_address: int) -> None:
        """Use the short address that an attach assigned."""
        self.short_address = short_address

    def fall_silent_when(self, is_silent: Callable[[], bool]) -> None:
        """Send nothing while ``is_silent`` returns true."""
        self.is_silent = is_silent

    def transmit(self) -> RadioTelegram:
        """Return the next uplink.

        It acknowledges a downlink that was received in the window of the uplink just before it (§5.10).
        """
        counter = self.packet_counter
        self.packet_counter = counter + 1 & 0xFFFFFFFF
        acknowledges, self._acknowledges = self._acknowledges, None
        measured = (FORMAT_PLAIN, self._measure(counter)) if self.instrument is None else self.instrument()
        return RadioTelegram(
            end_point_eui=self.eui,
            packet_counter=counter,
            payload=measured[1],
            format=measured[0],
            downlink_open=self.bidirectional and counter % self.window_every == 0,
            downlink_acknowledged=acknowledges is not None and acknowledges + 1 & 0xFFFFFFFF == counter,
        )

    def attach(self) -> AttachTelegram:
        """Attach over the air: with a new session key, and packet counters from 0."""
        self.attach_counter = self.attach_counter + 1 & 0xFFFFFF
        nonce = self.random.randbytes(4)
        signature = attach_signature(self.network_key, self.eui, self.attach_counter)
        self.session_key = session_key(self.network_key, self.eui, nonce, signature)
        self.packet_counter = 0
        return AttachTelegram(self.eui, self.attach_counter, nonce, signature)

    def detach(self) -> DetachTelegram:
        """Detach. The signature is random, as its algorithm is not public."""
        counter = self.packet_counter
        self.packet_counter = counter + 1 & 0xFFFFFFFF
        self.session_key = b""
        return DetachTelegram(self.eui, counter, self.random.randbytes(4))

    def signal_at(self, station: int) -> Signal:
        """Return the signal of an uplink that a station measures: the mean with Gaussian noise."""
        mean = self.heard_by[station]
        snr = mean.snr + self.random.gauss(0, NOISE_DB)
        return Signal(round(snr, 2), round(mean.rssi + self.random.gauss(0, NOISE_DB), 2))

    def receive_downlink(self, packet_counter: int, payload: bytes) -> None:
        """Receive ``payload`` in the window of the uplink ``packet_counter``."""
        self.received.append(payload)
        self._acknowledges = packet_counter

    def _measure(self, counter: int) -> bytes:
        """Return ten bytes: a kind, the counter, a slowly varying temperature, and noise."""
        self._temperature += self.random.gauss(0, 0.1)
        centidegrees = round(self._temperature * 100) & 0xFFFF
        return (
            bytes([2])
            + counter.to_bytes(4, "big")
            + centidegrees.to_bytes(2, "big")
            + self.random.randbytes(3)
        )


def network_key_for(eui: int) -> bytes:
    """Return the key of a simulated sensor: 16 bytes derived from its EUI, so that all runs agree. It is
    not a secret.
    """
    return hashlib.sha256(b"simulated sensor" + eui.to_bytes(8, "big")).digest()[:16]
