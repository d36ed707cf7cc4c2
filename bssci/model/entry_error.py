"""The error for an invalid entry, whoever made it: a person, a file or a program."""

from __future__ import annotations


class EntryError(ValueError):
    """An entry is invalid.

    :ivar field: name of the field at fault.
    :ivar message: what is allowed there.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message
