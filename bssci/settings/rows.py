"""One setting as a row: name, default, parser, description, and whether a change needs a restart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from bssci.settings.parsers import Parser

Origin = Literal["command line", "environment", ".env", "file", "default"]
"""origin of a value; ``file``: a file whose path NAME_FILE gives"""
MASK = "********"
"""text shown in place of a secret"""
FILE_SUFFIX = "_FILE"
"""suffix of the setting that gives the path of a file with a secret"""


class SettingsError(ValueError):
    """A setting is invalid; one line with name, value (masked if secret), origin and what is allowed.

    :param others: the same about further settings.
    """

    def __init__(self, text: str, *others: str) -> None:
        super().__init__(text)
        self.lines = (text, *others)


@dataclass(frozen=True)
class Setting:
    """A setting. An empty text stands for the default."""

    name: str
    """name in the environment and ``.env``: ``LISTEN_PORT``"""
    default: str
    parser: Parser[Any]
    description: str
    unit: str = ""
    live: bool = False
    """a change takes effect while the service runs"""
    reread: bool = False
    """the file that it names is read again while the service runs: only another path needs a restart"""
    secret: bool = False
    """never shown, logged or sent; may be given as NAME_FILE. If it is such a path, because its group reads
    the file itself: whoever misunderstands it gives the secret in its place"""
    private: bool = False
    """a credential that is no secret, as a user name: see :attr:`is_credential`"""
    trusted: bool = False
    """decides to whom the secrets of its group are sent: not to be changed through a sink while one is set"""

    @property
    def is_credential(self) -> bool:
        """Return whether it is shown and changed in the web admin and ``.env`` only, never through a sink."""
        return self.secret or self.private

    @property
    def attribute(self) -> str:
        """Name as an attribute of :class:`bssci.settings.table.Settings`."""
        return self.name.lower()

    @property
    def option(self) -> str:
        """Name on the command line, without the leading dashes."""
        return option_of(self.name)

    @property
    def file_name(self) -> str | None:
        """Name of the setting that gives the path of a file with the value; None: there is none."""
        has_file = self.secret and not self.name.endswith(FILE_SUFFIX)
        return self.name + FILE_SUFFIX if has_file else None

    @property
    def taking_effect(self) -> str:
        """Return when a change takes effect, in words."""
        if self.live:
            return "while running"
        return "another path needs a restart, another content does not" if self.reread else "needs a restart"

    @property
    def explained(self) -> str:
        """Description, with the unit."""
        return f"{self.description} ({self.unit})" if self.unit else self.description

    def parse(self, text: str, origin: str) -> Any:
        """Return the value that a text stands for.

        :param origin: origin for the error message: ``environment``, the path of ``.env`` and so on.
        :raises SettingsError: the text is not allowed.
        """
        try:
            return self._value(text)
        except ValueError as error:
            hides = self.secret or not self.parser.quotable
            shown = MASK if hides else repr(without_user_info(text))
            raise SettingsError(f"{self.name}={shown} ({origin}): {self._fault(error, text)}") from None

    def fault(self, text: str) -> str | None:
        """Return what is allowed instead of a text; None if it is allowed."""
        try:
            self._value(text)
        except ValueError as error:
            return self._fault(error, text)
        return None

    def _fault(self, error: ValueError, text: str) -> str:
        """Return what is allowed, or else what the parser says of a text; without the text if secret."""
        if self._shows_user_info(text):
            return "must have no user and password in it, because viewers see this setting"
        if self.parser.allowed:
            return f"must be {self.parser.allowed}"
        reason = " ".join(str(error).split())
        return reason.replace(text.strip() or MASK, MASK) if self.secret else reason

    def _value(self, text: str) -> Any:
        if self._shows_user_info(text):
            raise ValueError
        return self.parser.parse(text if text.strip() else self.default)

    def _shows_user_info(self, text: str) -> bool:
        # Also behind a slash, which a password may hold.
        return not self.secret and "@" in text.partition("://")[2]


def without_user_info(text: str) -> str:
    """Return an address for people to read, with a mask for user and password in front of its host."""
    before, at, host = text.rpartition("@")
    return f"{MASK}@{host}" if at and ":" in before else text


def option_of(name: str) -> str:
    """Return the command line option of a setting, without the leading dashes."""
    return name.lower().replace("_", "-")


@dataclass(frozen=True)
class PluginSetting:
    """A setting of a plugin, whose value is read from the environment or ``.env`` under its name."""

    name: str
    """upper case with underscores, begins with the plugin's name: ``INFLUX_URL``"""
    default: str
    description: str
    parse: Callable[[str], Any] = str
    """returns the value of a text; raises ValueError with what is allowed; may be a
    :class:`bssci.settings.parsers.Parser`"""
    live: bool = False
    """a change takes effect while the service runs, because the plugin watches for it"""
    secret: bool = False
    """never shown, logged or sent; may be given as NAME_FILE"""
    allowed: str = ""
    """description of the allowed values: ``a port from 1 to 65535``; empty: what ``parse`` says"""
    reread: bool = False
    """the plugin reads the file that it names again while it runs: only another path needs a restart"""
