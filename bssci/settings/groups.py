"""Groups of settings that belong together: the service's own, and those of a sink, source or decoder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bssci.settings.rows import Origin, Setting

Values = Mapping[str, Any]
"""parsed values by the names of their settings"""


class ListeningAddress(NamedTuple):
    """An address and port that the service listens on."""

    setting: str
    """name of the setting that gives the port"""
    host_setting: str
    """name of the setting that gives the host"""
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
    """Settings under one title, and functions that check and interpret their values together.

    Every function gets the values of all settings of the installation.
    """

    title: str
    """title on the page, in ``.env`` and in the documentation"""
    rows: tuple[Setting, ...]
    chosen_by: tuple[str, str] | None = None
    """a setting and a word: (``SINKS``, ``mqtt``) for a group that is in use only if SINKS names mqtt"""
    check: Callable[[Values, Mapping[str, Origin]], Iterable[str]] = _nothing_wrong
    """returns warnings; raises :class:`SettingsError` for settings that contradict each other. Has no side
    effects"""
    usable: Callable[[Values, Collection[str]], None] = _usable
    """raises ``ValueError`` if the service could not work with what the settings of the given names point to,
    such as a file or a directory. Blocks"""
    places: Callable[[Values], Iterable[ListeningAddress]] = _nowhere
    """returns the addresses on which the service listens because of this group"""
    certificates: Callable[[Values], Mapping[str, Path]] = _no_certificates
    """returns the paths of our own certificates that the group names, by their owner: ``MQTT client``"""
    about: Callable[[Values], Mapping[str, Any]] = _no_facts
    """returns facts for the service's status, such as host and topic; no secrets"""
    trial: Callable[[Values], str] | None = None
    """tries to use the remote side as the service will; returns one line that says what is wrong, or an empty
    text. Blocks for some seconds"""
    trial_title: str = ""
    """label of the button for the trial: ``Test the broker``"""

    def __iter__(self) -> Iterator[Setting]:
        return iter(self.rows)

    @property
    def key(self) -> str:
        """Title in the form for URLs: ``mqtt``, ``base-stations``."""
        return self.title.lower().replace(" ", "-")

    def is_in_use(self, values: Values) -> bool:
        """Return whether the service uses the settings of this group."""
        return self.chosen_by is None or self.chosen_by[1] in values[self.chosen_by[0]]
