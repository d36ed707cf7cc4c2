"""Every setting that this installation has: the service's own groups, and those that plugins bring along.

From the catalogue come options, environment, ``.env``, the page and the documentation alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bssci.certificates.store import CertificateFiles
from bssci.settings import env_file, trial
from bssci.settings.groups import Group, ListeningAddress
from bssci.settings.rows import MASK, Origin, Setting, SettingsError, option_of
from bssci.settings.table import GROUPS, Settings


class LoadedValues(NamedTuple):
    """The values in force, and where they come from."""

    settings: Settings
    origins: dict[str, Origin]
    """origin of each setting, by its name"""
    warnings: list[str]
    """one line each"""


class Catalogue:
    """The settings of an installation.

    :param plugged: groups that sinks, sources and decoders bring along.
    :raises SettingsError: two settings have the same name.
    """

    def __init__(self, plugged: Sequence[Group] = ()) -> None:
        self.groups: tuple[Group, ...] = (*GROUPS, *plugged)
        rows = [row for group in self.groups for row in group]
        names = Counter(row.name for row in rows)
        twice = sorted(name for name, count in names.items() if count > 1)
        if twice:
            raise SettingsError(f"plugins bring settings that are there already: {', '.join(twice)}")
        self.rows: Mapping[str, Setting] = {row.name: row for row in rows}
        self._files = {
            row.name: row.file_name
            for row in rows
            if row.file_name is not None and row.file_name not in self.rows
        }
        """NAME_FILE by NAME, of each secret whose group does not read such a file itself"""
        self._plugged = [row.name for group in plugged for row in group]
        self._options = {name: option_of(name) for name in self._known_names()}
        self._defaults: dict[str, Any] = {}
        """values that were parsed before: the settings are read again at each change"""

    def group_of(self, name: str) -> Group:
        """Return the group that a setting belongs to.

        :raises KeyError: there is no such setting.
        """
        for group in self.groups:
            if any(row.name == name for row in group):
                return group
        raise KeyError(name)

    def live(self) -> frozenset[str]:
        """Return the names of the settings that take effect while the service runs."""
        return frozenset(name for name, row in self.rows.items() if row.live)

    # values

    def load(self, options: Mapping[str, Any], environ: Mapping[str, str], path: Path) -> LoadedValues:
        """Return the values in force: command line before environment before ``.env`` before default.

        :param options: ``listen-port`` and so on; names that are not settings, and None, are passed over.
        :param path: of ``.env``; need not exist.
        :raises SettingsError: a value is wrong, or a file cannot be read.
        """
        from_file, warnings = env_file.read(path, self._known_names())
        levels: tuple[tuple[Origin, Mapping[str, Any]], ...] = (
            ("command line", self._given(options)),
            ("environment", environ),
            (".env", from_file),
        )
        values: dict[str, Any] = {}
        origins: dict[str, Origin] = {}
        given = {name for _, texts in levels for name in self._options.keys() & texts.keys()}
        for row in self.rows.values():
            file_name = self._files.get(row.name, "")
            if row.name not in given and file_name not in given:
                values[row.name], origins[row.name] = self._default(row), "default"
                continue
            text, origins[row.name], said = _text(row, file_name, levels)
            values[row.name] = row.parse(text, str(path) if said == ".env" else said)
        values |= _derived(values, origins)
        settings = self._settings(values)
        for group in self.groups:
            warnings += group.check(values, origins)
        self._check_places(values, origins)
        return LoadedValues(settings, origins, warnings)

    def check_texts(self, values: Mapping[str, str]) -> None:
        """Check texts one by one, as they are to be written to ``.env``.

        :raises SettingsError: a name or value is wrong.
        """
        for name, value in values.items():
            if name not in self.rows:
                raise SettingsError(f"{name} is not a setting")
            self.rows[name].parse(value, "new value")

    def places(self, settings: Settings) -> list[ListeningAddress]:
        """Return everything that the service listens on."""
        return list(self.places_of(settings.values()))

    def certificate_files(self, settings: Settings) -> CertificateFiles:
        """Return where the certificates are: those of base stations, and what other groups name."""
        values = settings.values()
        others: dict[str, Path] = {}
        for group in self.groups:
            if group.is_in_use(values):
                others |= group.certificates(values)
        return CertificateFiles(
            settings.state_dir, settings.cert_file, settings.key_file, settings.ca_file, others
        )

    def refuse_unusable(
        self, settings: Settings, changed: Collection[str], held: Collection[int] = ()
    ) -> None:
        """Try what the settings of these names point to. Blocks: belongs in a thread.

        :param held: ports that the service itself listens on now.
        :raises ValueError: the service could not use one of them.
        """
        values = settings.values()
        for group in self.groups:
            if group.is_in_use(values):
                comes_into_use = group.chosen_by is not None and group.chosen_by[0] in changed
                names = [row.name for row in group if comes_into_use or row.name in changed]
                group.usable(values, names)
        for place in self.places_of(values):
            named = [each for each in (place.setting, place.host_setting) if each in changed]
            if named and place.port not in held:
                trial.try_place(place, named[0])

    # words

    def option_parameters(self) -> Iterator[tuple[str, None, None, str]]:
        """Yield rows for ``twisted.python.usage.Options.optParameters``; None marks what was not given."""
        for row in self.rows.values():
            yield row.option, None, None, f"{row.explained} [default: {row.default or 'empty'}]"
            if row.name in self._files:
                yield option_of(self._files[row.name]), None, None, f"file that holds {row.name}"

    def documentation(self) -> str:
        """Return ``docs/settings.md``."""
        lines = [
            "# Settings",
            "",
            "The same names in `.env`, in the environment and, as `--lower-case-with-dashes`, on `twistd bssci`.",
            "Command line before environment before `.env` before default; empty text stands for the default.",
            "A secret NAME may also be given as NAME_FILE: the path of a file that holds it.",
        ]
        for group in self.groups:
            lines += ["", f"## {group.title}", ""]
            if group.chosen_by is not None:
                lines += [f"In use if `{group.chosen_by[0]}` names `{group.chosen_by[1]}`.", ""]
            lines += ["| Setting | Default | Meaning | Allowed | Change |", "|---|---|---|---|---|"]
            lines += [_documented(row) for row in group]
        return "\n".join(lines) + "\n"

    def env_template(self) -> str:
        """Return a ``.env`` to begin with: every setting explained and commented out."""
        lines = [
            "# Settings of the service center. Remove the # in front of a setting to change it.",
            "# The environment and the command line of twistd come before this file.",
        ]
        for group in self.groups:
            lines += ["", f"# == {group.title} =="]
            for row in group:
                change = "" if row.live else "; needs a restart"
                lines += ["", f"# {row.explained}{change}", f"#{row.name}={row.default}"]
        return "\n".join(lines) + "\n"

    def _given(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of the command line by the names of their settings."""
        return {name: options[each] for name, each in self._options.items() if options.get(each) is not None}

    def _default(self, row: Setting) -> Any:
        if row.name not in self._defaults:
            self._defaults[row.name] = row.parse(row.default, "default")
        return self._defaults[row.name]

    def _known_names(self) -> set[str]:
        return set(self.rows) | set(self._files.values())

    def _settings(self, values: Mapping[str, Any]) -> Settings:
        plugged = {name: values[name] for name in self._plugged}
        own = {name.lower(): value for name, value in values.items() if name not in plugged}
        return Settings(**own, plugged=plugged)

    def places_of(self, values: Mapping[str, Any]) -> Iterator[ListeningAddress]:
        """Yield everything that the service listens on with these values."""
        for group in self.groups:
            if group.is_in_use(values):
                yield from group.places(values)

    def _check_places(self, values: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
        """Check that no port is wanted twice.

        :raises SettingsError: two parts of the service want one port.
        """
        taken: dict[int, str] = {}
        for place in self.places_of(values):
            other = taken.setdefault(place.port, place.setting)
            if other != place.setting:
                name, value = place.setting, values[place.setting]
                raise SettingsError(
                    f"{name}={str(value)!r} ({origins[name]}): is {_one_of(other, values)} too"
                )


def _one_of(name: str, values: Mapping[str, Any]) -> str:
    return f"one of {name}" if isinstance(values[name], tuple) else name


def _text(
    row: Setting, file_name: str, levels: Sequence[tuple[Origin, Mapping[str, Any]]]
) -> tuple[str, Origin, str]:
    """Return the text of a setting, its origin, and the origin in words."""
    for origin, texts in levels:
        text = texts.get(row.name)
        path = texts.get(file_name)
        if text and path:
            raise SettingsError(f"{row.name} and {file_name} ({origin}): only one of them is allowed")
        if path:
            return _secret(file_name, Path(path)), "file", f"{file_name}={path}"
        if text is not None:
            return str(text), origin, origin
    return row.default, "default", "default"


def _secret(file_name: str, path: Path) -> str:
    try:
        return path.expanduser().read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise SettingsError(f"{file_name}={path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{file_name}={path}: is not UTF-8") from None


def _derived(values: Mapping[str, Any], origins: Mapping[str, Origin]) -> dict[str, Any]:
    """Return defaults that follow from another setting: a short AUTO_DETACH_TIMEOUT warns at its half."""
    timeout, name = values["AUTO_DETACH_TIMEOUT"], "AUTO_DETACH_WARNING_TIMEOUT"
    if origins[name] == "default" and values[name] >= timeout:
        return {name: timeout / 2}
    return {}


def _documented(row: Setting) -> str:
    default = f"`{row.default}`" if row.default else "empty"
    change = "while running" if row.live else "needs a restart"
    meaning = f"{row.explained}; may be given as `{row.file_name}`" if row.secret else row.explained
    return f"| {' | '.join([f'`{row.name}`', default, meaning, row.parser.allowed, change])} |"


def shown(row: Setting, value: Any) -> Any:
    """Return a value as JSON knows it; masked if it is a secret."""
    if row.secret:
        return MASK if value else ""
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, frozenset):
        return sorted(value)
    if value is None:
        return ""
    return value if isinstance(value, (bool, int, float)) else str(value)
