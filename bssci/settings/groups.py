"""Settings that belong together: the service's own, and those that a sink, source or decoder brings along."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bssci.settings.rows import Origin, Setting

Values = Mapping[str, Any]
"""parsed values by the names of their settings"""


class ListeningAddress(NamedTuple):
    """Something that the service listens on."""

    setting: str
    """name of the setting that says the port"""
    host_setting: str
    """name of the setting that goes with it"""
    host: str
    port: int


def _nothing_wrong(values: Values, origins: Mapping[str, Origin]) -> Iterable[str]:
    return ()


def _usable(values: Values, changed: Collection[str]) -> None:
    return None


def _nowhere(values: Values) -> Iterable[ListeningAddress]:
    return ()


def _no_certificates(values: Values) -> Mapping[str, Path]:
    return {}


def _no_facts(values: Values) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class Group:
    """Rows under one title, and what can be said of their values together.

    Every function gets the values of all settings that this installation has.
    """

    title: str
    """title on the page, in ``.env`` and in the documentation"""
    rows: tuple[Setting, ...]
    chosen_by: tuple[str, str] | None = None
    """setting and name: (``SINKS``, ``mqtt``) of a group that matters only if SINKS names mqtt"""
    check: Callable[[Values, Mapping[str, Origin]], Iterable[str]] = _nothing_wrong
    """gives warnings; raises :class:`SettingsError` for rows that contradict each other. Touches nothing"""
    usable: Callable[[Values, Collection[str]], None] = _usable
    """raises ``ValueError`` if the service could not work with what the settings of the given names point to:
    a file, a directory. Blocks"""
    places: Callable[[Values], Iterable[ListeningAddress]] = _nowhere
    """places on which the service listens because of this group"""
    certificates: Callable[[Values], Mapping[str, Path]] = _no_certificates
    """certificates of our own that it names, by a word for whose they are: ``MQTT client``"""
    about: Callable[[Values], Mapping[str, Any]] = _no_facts
    """says in the service's status where it goes: host, topic and so on; no secrets"""
    trial: Callable[[Values], str] | None = None
    """tries the other side as the service will; returns one line that says what is wrong, or nothing. Blocks
    for some seconds"""
    trial_title: str = ""
    """words on the button of the trial: ``Test the broker``"""

    def __iter__(self) -> Iterator[Setting]:
        return iter(self.rows)

    @property
    def key(self) -> str:
        """Title as a part of an address: ``mqtt``, ``base-stations``."""
        return self.title.lower().replace(" ", "-")

    def is_in_use(self, values: Values) -> bool:
        """Return whether the service works with these settings."""
        return self.chosen_by is None or self.chosen_by[1] in values[self.chosen_by[0]]
