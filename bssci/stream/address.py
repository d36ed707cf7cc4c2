"""The address of a live stream and the token for it, checked before anything is sent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from bssci.model.live_token import fault_of
from bssci.system.secret_files import SecretFileError, read_secret

PATH = "/mqtt"
TOKEN = "BSSCI_TOKEN"
"""environment variable with the token, if there is no file"""


class StreamError(Exception):
    """An error that the user must correct before a stream can be read: one line, without secrets."""


class StreamAddress(NamedTuple):
    """Address of a live stream."""

    host: str
    port: int
    path: str
    tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'wss' if self.tls else 'ws'}://{host}:{self.port}{self.path}"


def read_address(url: str) -> StreamAddress:
    """Parse the URL of a live stream.

    ``ws`` is allowed only to this machine, as a token must not cross a network in clear text.

    :raises StreamError: the URL is invalid, or is ``ws`` to another machine.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise StreamError(f"the URL cannot be read: {error}") from None
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise StreamError("the URL must be wss://host[:port]/mqtt")
    if parts.username or parts.password:
        raise StreamError("the URL must not contain a token: use --token-file")
    tls = parts.scheme == "wss"
    if not tls and not _is_here(parts.hostname):
        raise StreamError("ws:// sends the token in clear text and is for this machine only: use wss://")
    return StreamAddress(parts.hostname, port or (443 if tls else 80), parts.path or PATH, tls)


def read_token(file: Path | None, environment: Mapping[str, str] = os.environ) -> str:
    """Return the token from the file or, if there is none, from the environment.

    :raises StreamError: there is no token, or it is malformed.
    """
    if file is not None:
        try:
            token, place = read_secret(file, "--token-file").strip(), "--token-file"
        except SecretFileError as error:
            raise StreamError(str(error)) from None
    else:
        token, place = environment.get(TOKEN, "").strip(), TOKEN
    fault = fault_of(token)
    if fault is not None:
        raise StreamError(f"the token of {place} {fault}")
    return token


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
