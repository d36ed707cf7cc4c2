"""Reading ``.env``, with line numbers in errors, and changing its content with all other lines kept."""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from bssci.settings.rows import SettingsError

ENV_FILE = Path(".env")
"""file in the directory that the service is started in"""
ALIKE = 0.85
"""similarity of a setting that an unknown name may have been meant for; 1: equal"""
_ANY_BYTES = "surrogateescape"
"""way of reading bytes that are not UTF-8, and of writing them as they were"""
_PLAIN_VALUE = re.compile(r"[\w./:,@+-]*")
_ASSIGNED = re.compile(
    r"""
    (\s*(?:export\s+)?) [^=]*= [^\S\r\n]*
    (?: '(?:\\[\s\S]|[^'\\])*' | "(?:\\[\s\S]|[^"\\])*" | (?!(?<=\s)\#)[^'"\s][^\r\n]*? )?
    ([^\S\r\n]+\#[^\r\n]*)? \s*
    """,
    re.VERBOSE,
)
"""an assignment, with what stands before it and the comment behind it"""


def read(
    path: Path, known: Collection[str], content: bytes | None = None
) -> tuple[dict[str, str], list[str]]:
    """Return the texts of the settings in a file, and warnings of one line each.

    :param path: need not exist.
    :param known: names of the settings; others are ignored with a warning.
    :param content: read in place of what is in the file.
    :raises SettingsError: the file cannot be read, or a line is malformed.
    """
    values: dict[str, str] = {}
    warnings: list[str] = []
    for binding in _bindings(path, content):
        if binding.key is None:
            continue
        if binding.key not in known:
            alike = get_close_matches(binding.key.upper(), known, 1, ALIKE)
            hint = f"; {alike[0]} is" if alike else ""
            warnings.append(f"{path} line {_line(binding)}: {binding.key} is not a setting{hint}")
            continue
        if binding.key in values:
            warnings.append(f"{path} line {_line(binding)}: {binding.key} is repeated, the last one counts")
        values[binding.key] = binding.value or ""
    return values, warnings


def updated(path: Path, values: Mapping[str, str]) -> bytes:
    """Return the content of a file with these values set, and all other lines and comments kept.

    :param path: need not exist.
    :raises SettingsError: the file cannot be read.
    """
    missing = dict(values)
    pieces = []
    for binding in _bindings(path):
        piece = binding.original.string
        if binding.key is not None and binding.key in values:
            missing.pop(binding.key, None)
            before, comment = _around(piece)
            piece = before + _assignment(binding.key, values[binding.key], comment)
        pieces.append(piece)
    if pieces and not pieces[-1].endswith("\n"):
        pieces.append("\n")
    pieces += [_assignment(name, value) for name, value in missing.items()]
    return "".join(pieces).encode(errors=_ANY_BYTES)


def _bindings(path: Path, content: bytes | None = None) -> list[Binding]:
    try:
        data = path.read_bytes() if content is None else content
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    bindings = list(parse_stream(io.StringIO(data.decode("utf-8-sig", _ANY_BYTES))))
    for binding in bindings:
        if not _is_text(binding):
            raise SettingsError(f"{path} line {_line(binding)}: is not UTF-8: save the file as UTF-8")
        if binding.error or (binding.key is not None and binding.value is None):
            raise SettingsError(f"{path} line {_line(binding)}: only NAME=value or # comment is allowed")
    return bindings


def _is_text(binding: Binding) -> bool:
    """Return whether a line is UTF-8; in comments any bytes are allowed."""
    says = binding.original.string if binding.error else f"{binding.key or ''}{binding.value or ''}"
    return says.isascii() or not any("\udc80" <= each <= "\udcff" for each in says)


def _blank(binding: Binding) -> str:
    """Return the empty lines before an assignment, which the parser includes in its text."""
    text = binding.original.string
    return text[: len(text) - len(text.lstrip())]


def _line(binding: Binding) -> int:
    return binding.original.line + _blank(binding).count("\n")


def _around(line: str) -> tuple[str, str]:
    """Return what stands before an assignment, and the comment behind it."""
    found = _ASSIGNED.fullmatch(line)
    return (found[1], found[2] or "") if found else ("", "")


def _assignment(name: str, value: str, comment: str = "") -> str:
    # In front of a comment nothing would be the comment.
    if not _PLAIN_VALUE.fullmatch(value) or (comment and not value):
        value = "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return f"{name}={value}{comment}\n"
