"""The error of an entry that a person, a file or a program gave."""

from __future__ import annotations


class EntryError(ValueError):
    """An entry is wrong; ``field`` names where."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message
