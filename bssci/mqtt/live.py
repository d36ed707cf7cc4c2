"""The state of a running service's MQTT connection, in a file of STATE_DIR for other processes.

A trial of the settings must not connect with the client identifier of a running service: the broker would
end the service's connection. So the service writes down its client identifier and the state of its
connection. It holds a lock on the file while it runs; the system releases it however the process ends.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from dataclasses import astuple, replace
from pathlib import Path

import msgspec
from twisted.logger import Logger

from bssci.mqtt.values import MqttSettings
from bssci.system.files import open_lock

_LONGEST = 4096
"""bytes of the file"""


class LiveState(msgspec.Struct, frozen=True):
    """The state of a service's connection to its broker."""

    client_id: str
    salt: str
    digest: str
    """digest of all settings of the connection, with the salt"""
    trouble: str = ""
    """why it is not connected, or why the broker takes nothing; empty: all is well"""

    def has(self, settings: MqttSettings) -> bool:
        """Return whether these are the settings of the connection."""
        return secrets.compare_digest(self.digest, _digest(settings, self.salt))

    def may_be_ended_by(self, settings: MqttSettings) -> bool:
        """Return whether a connection with these settings could end that of the service.

        A broker has many names, so another host may be the same broker.
        """
        return self.client_id == settings.client_id


def _digest(settings: MqttSettings, salt: str) -> str:
    # Without the will, which holds the time of the service's start.
    return hashlib.sha256(repr((salt, astuple(replace(settings, will=None)))).encode()).hexdigest()


class LiveFile:
    """The file, for the service that writes it. A failure to write is logged and harms nothing else.

    :param path: the file.
    """

    log = Logger()

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._told = b""
        self._salt = secrets.token_hex(16)

    def tell(self, settings: MqttSettings, trouble: str) -> None:
        """Write the state of the connection, if it has changed."""
        digest = _digest(settings, self._salt)
        state = LiveState(settings.client_id, self._salt, digest, trouble[:1000])
        told = msgspec.json.encode(state)
        if told == self._told:
            return
        try:
            if self._descriptor is None:
                self._descriptor = _locked(self._path)
            os.pwrite(self._descriptor, told.ljust(_LONGEST), 0)
        except OSError as error:
            self.log.warn(
                "state of the MQTT connection not written {path} {error}", path=str(self._path), error=error
            )
        else:
            self._told = told

    def close(self) -> None:
        """Release the file; it stays, because it holds the client identifier."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            self._told = b""


def _locked(path: Path) -> int:
    descriptor = open_lock(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def read_live(path: Path) -> tuple[LiveState | None, bool]:
    """Return what the file says, if it can be read, and whether the service that wrote it runs."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None, False
    try:
        runs = False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            runs = True
        text = os.pread(descriptor, _LONGEST, 0)
    finally:
        os.close(descriptor)
    try:
        return msgspec.json.decode(text, type=LiveState), runs
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None, runs
