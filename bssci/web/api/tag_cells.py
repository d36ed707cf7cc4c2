"""Tags in one cell of a CSV file: ``roof;ground floor``, or a JSON list."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bssci.model.strict_json import JsonError, read_json

COMMA = "tags are separated by ;, and a tag that has a comma needs a JSON list"
"""fault of a cell whose comma may divide tags or belong to one"""


class TagCells:
    """Reads and writes cells of tags.

    :param splits_words: tags are separated by spaces where there is no ``;``.
    """

    def __init__(self, *, splits_words: bool) -> None:
        self._splits_words = splits_words

    def read(self, text: str) -> list[str]:
        """Return the tags of a cell.

        :raises ValueError: with the fault: there is a comma, but neither ``;`` nor a JSON list.
        """
        listed = parsed(text) if text.startswith("[") else None
        if isinstance(listed, list) and all(isinstance(tag, str) for tag in listed):
            return listed
        if ";" not in text:
            if "," in text:
                raise ValueError(COMMA)
            return text.split() if self._splits_words else list(filter(None, [text.strip()]))
        return [tag.strip() for tag in text.split(";") if tag.strip()]

    def enter(self, text: str, entry: dict[str, Any], faults: dict[str, str]) -> None:
        """Add the tags of a cell to the entry of its row, or else their fault to those of the row."""
        try:
            entry["tags"] = self.read(text)
        except ValueError as error:
            faults["tags"] = str(error)

    def write(self, tags: Sequence[str]) -> str:
        """Return the cell of tags, which :meth:`read` reads back."""
        text = ";".join(tags)
        for each in (text, f"{text};"):
            if self._reads(each, tags):
                return each
        return json.dumps(list(tags), ensure_ascii=False, allow_nan=False)

    def _reads(self, text: str, tags: Sequence[str]) -> bool:
        try:
            return self.read(text) == list(tags)
        except ValueError:
            return False


def parsed(text: str) -> Any:
    """Return the value of JSON; None if the text is not JSON."""
    try:
        return read_json(text, lenient=True)
    except JsonError:
        return None
