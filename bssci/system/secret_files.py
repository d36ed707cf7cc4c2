"""Files that hold a secret, such as a password or a token."""

from __future__ import annotations

from pathlib import Path

LARGEST = 64 * 1024
"""bytes of a file with a secret, at most"""


class SecretFileError(ValueError):
    """A file with a secret cannot be read; one line that names the setting.

    The line does not quote the path: it may be the secret itself, given in the place of a path.
    """


def read_secret(path: Path, name: str) -> str:
    """Return the text of a file, without the line ends behind it.

    :param name: name of the setting or option that gives the path, for the error.
    :raises SecretFileError: the file cannot be read.
    """
    try:
        with path.expanduser().open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) <= LARGEST:
            return data.decode("utf-8").rstrip("\r\n")
        reason = f"it has more than {LARGEST // 1024} KB"
    except UnicodeDecodeError:
        reason = "it is not UTF-8"
    except (OSError, RuntimeError, ValueError) as error:  # also a user without a home, or a NUL
        reason = (isinstance(error, OSError) and error.strerror) or "this is no path"
    raise SecretFileError(f"{name}: the file that it names cannot be read: {reason}")
