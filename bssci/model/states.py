"""States that several parts of the service name: each set of names stands here once."""

from __future__ import annotations

from typing import Literal

AttachmentState = Literal["attached", "detached"]
RequestOutcome = Literal["done", "failed"]
RequestState = Literal["received", "done", "failed"]
Severity = Literal["error", "warning"]
"""severity of an alarm, or of another problem"""
