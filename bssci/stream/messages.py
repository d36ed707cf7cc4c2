"""Messages of the stream, in the forms in which outputs write them."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""characters that move a terminal's cursor, end a line, or turn the direction of writing"""


@dataclass(frozen=True)
class StreamMessage:
    """A message of the stream."""

    topic: str
    payload: bytes
    received_at: float
    """Unix seconds, by the clock of this machine"""
    retained: bool = False
    """true for the last value from before the subscription"""

    @cached_property
    def key(self) -> str:
        """Key of the message: 32 hexadecimal digits, the same at each delivery."""
        return hashlib.sha256(self.topic.encode() + b"\0" + self.payload).hexdigest()[:32]

    @cached_property
    def body(self) -> Any:
        """The payload, decoded from JSON; as text if it is not JSON."""
        try:
            return json.loads(self.payload)
        except ValueError:
            return self.payload.decode("utf-8", "replace")

    @property
    def telemetry(self) -> dict[str, Any] | None:
        """The reading in the message; None if the message is not a reading."""
        body = self.body
        is_one = isinstance(body, dict) and {"timestamp", "device_id", "sensor", "value"} <= body.keys()
        return body if is_one else None

    @property
    def line(self) -> str:
        """The message as one line of JSON."""
        said = {"topic": self.topic, "received_at": self.received_at, "retained": self.retained}
        return json.dumps(said | {"payload": self.body}, separators=(",", ":"), ensure_ascii=False)

    @property
    def sentence(self) -> str:
        """The message as a line for people, with ``\\u202e`` and the like for invisible characters."""
        return _INVISIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", self._sentence())

    def _sentence(self) -> str:
        told = self.telemetry
        if told is None:
            text = json.dumps(self.body, separators=(",", ":"), ensure_ascii=False)
            return f"{self.topic}  {text}"
        unit = f" {told['unit']}" if told.get("unit") else ""
        return f"{told['timestamp']}  {told['device_id']}  {told['sensor']} {_value(told['value'])}{unit}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
