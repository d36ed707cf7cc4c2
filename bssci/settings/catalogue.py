"""Every setting of this installation: the service's own groups, and those of its plugins.

Command line options, environment, ``.env``, the settings page and the documentation are all derived from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from bssci.certificates.store import CertificateFiles
from bssci.settings import env_file, trial
from bssci.settings.groups import Group, ListeningAddress
from bssci.settings.rows import MASK, Origin, Setting, SettingsError, option_of
from bssci.settings.table import GROUPS, Settings
from bssci.system.secret_files import SecretFileError, read_secret


class LoadedValues(NamedTuple):
    """The values in force, and where they come from."""

    settings: Settings
    origins: dict[str, Origin]
    """origin of each setting, by its name"""
    warnings: list[str]
    """one line each"""
    files: tuple[Path, ...]
    """files that hold secrets, as NAME_FILE names them"""


class Catalogue:
    """The settings of an installation.

    :param plugged: groups of the sinks, sources and decoders.
    :raises SettingsError: two settings have the same name.
    """

    def __init__(self, plugged: Sequence[Group] = ()) -> None:
        self.groups: tuple[Group, ...] = (*GROUPS, *plugged)
        rows = [row for group in self.groups for row in group]
        names = Counter(row.name for row in rows)
        twice = sorted(name for name, count in names.items() if count > 1)
        if twice:
            raise SettingsError(f"plugins define settings that exist already: {', '.join(twice)}")
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
        """parsed defaults by name; cached, since all settings are loaded again at each change"""

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

    def load(
        self,
        options: Mapping[str, Any],
        environ: Mapping[str, str],
        path: Path,
        content: bytes | None = None,
    ) -> LoadedValues:
        """Return the values in force; command line beats environment beats ``.env`` beats default.

        :param options: ``listen-port`` and so on; names that are not settings, and None, are ignored.
        :param path: path of ``.env``; need not exist.
        :param content: read in place of what is in that file.
        :raises SettingsError: values are wrong (its ``lines`` name them all), or a file cannot be read.
        """
        from_file, warnings = env_file.read(path, self._known_names(), content)
        levels: tuple[tuple[Origin, Mapping[str, Any]], ...] = (
            ("command line", self._given(options)),
            ("environment", environ),
            (".env", from_file),
        )
        values: dict[str, Any] = {}
        origins: dict[str, Origin] = {}
        given = {name for _, texts in levels for name in self._options.keys() & texts.keys()}
        wrong: list[str] = []
        for row in self.rows.values():
            file_name = self._files.get(row.name, "")
            if row.name not in given and file_name not in given:
                values[row.name], origins[row.name] = self._default(row), "default"
                continue
            try:
                text, origins[row.name], said = _text(row, file_name, levels)
                values[row.name] = row.parse(text, str(path) if said == ".env" else said)
            except SettingsError as error:
                wrong.append(str(error))
        if wrong:
            raise SettingsError(*wrong)
        values |= _derived(values, origins)
        settings = self._settings(values)
        for group in self.groups:
            warnings += group.check(values, origins)
        self._check_places(values, origins)
        files = [_given(self._files[name], levels) for name, origin in origins.items() if origin == "file"]
        return LoadedValues(settings, origins, warnings, tuple(map(Path, files)))

    def check_texts(self, values: Mapping[str, str]) -> None:
        """Check each text by itself, before it is written to ``.env``.

        :raises SettingsError: a name is unknown or a value invalid.
        """
        for name, value in values.items():
            if name not in self.rows:
                raise SettingsError(f"{name} is not a setting")
            self.rows[name].parse(value, "new value")

    def places(self, settings: Settings) -> list[ListeningAddress]:
        """Return all addresses that the service listens on."""
        return list(self.places_of(settings.values()))

    def certificate_files(self, settings: Settings) -> CertificateFiles:
        """Return the paths of the certificates: those for base stations, and those that other groups name."""
        values = settings.values()
        others: dict[str, Path] = {}
        for group in self.groups:
            if group.is_in_use(values):
                others |= group.certificates(values)
        return CertificateFiles(
            settings.state_dir,
            settings.cert_file,
            settings.key_file,
            settings.ca_file,
            others,
            settings.crl_file,
            timedelta(days=settings.alarm_certificate_days),
        )

    def refuse_unusable(
        self, settings: Settings, changed: Collection[str], held: Collection[int] = ()
    ) -> None:
        """Check that the service could use what the changed settings point to. Blocks: belongs in a thread.

        :param changed: names of the changed settings.
        :param held: ports that the service itself listens on now.
        :raises ValueError: it could not; the message is one line.
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
        """Yield rows for ``twisted.python.usage.Options.optParameters``; the default None means not given."""
        for row in self.rows.values():
            yield row.option, None, None, f"{row.explained} [default: {row.default or 'empty'}]"
            if row.name in self._files:
                yield option_of(self._files[row.name]), None, None, f"file that holds {row.name}"

    def documentation(self) -> str:
        """Return the text of ``docs/settings.md``."""
        lines = [
            "# Settings",
            "",
            "A setting has one name, in `.env` and in the environment; its option of `twistd bssci` is written",
            "`--lower-case-with-dashes`. The command line takes precedence over the environment, that over",
            "`.env`, and `.env` over the default. An empty value stands for the default.",
            "A secret NAME may also be given as NAME_FILE, the path of a file that holds it.",
        ]
        for group in self.groups:
            lines += ["", f"## {group.title}", ""]
            if group.chosen_by is not None:
                lines += [f"In use if `{group.chosen_by[0]}` names `{group.chosen_by[1]}`.", ""]
            lines += ["| Setting | Default | Meaning | Allowed | Change |", "|---|---|---|---|---|"]
            lines += [_documented(row) for row in group]
        return "\n".join(lines) + "\n"

    def env_template(self) -> str:
        """Return an initial ``.env``: every setting explained and commented out."""
        lines = [
            "# Settings of the service center. Remove the # in front of a setting to change it.",
            "# The environment and the command line of twistd take precedence over this file.",
        ]
        for group in self.groups:
            lines += ["", f"# == {group.title} =="]
            for row in group:
                what = "another path takes" if row.reread else "takes"
                change = "" if row.live else f"; {what} effect at the next start"
                allowed = f"# Allowed: {row.parser.allowed or 'text'}{change}"
                lines += ["", f"# {row.explained}", allowed, f"#{row.name}={row.default}"]
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
        """Yield all addresses that the service listens on with these values."""
        for group in self.groups:
            if group.is_in_use(values):
                yield from group.places(values)

    def _check_places(self, values: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
        """Check that no port is used twice.

        :raises SettingsError: two parts of the service would use the same port.
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
    """Return the text of a setting, its origin, and the origin as error messages name it."""
    for origin, texts in levels:
        text = texts.get(row.name)
        path = texts.get(file_name)
        if text and path:
            raise SettingsError(f"{row.name} and {file_name} ({origin}): only one of them is allowed")
        if path:
            return _secret(file_name, Path(path)), "file", file_name
        if text is not None:
            return str(text), origin, origin
    return row.default, "default", "default"


def _given(name: str, levels: Sequence[tuple[Origin, Mapping[str, Any]]]) -> str:
    """Return the text that takes precedence."""
    return next(str(texts[name]) for _, texts in levels if texts.get(name))


def _secret(file_name: str, path: Path) -> str:
    try:
        return read_secret(path, file_name)
    except SecretFileError as error:
        raise SettingsError(str(error)) from None


def _derived(values: Mapping[str, Any], origins: Mapping[str, Origin]) -> dict[str, Any]:
    """Return defaults that depend on other settings: with a short AUTO_DETACH_TIMEOUT, warn at half of it."""
    timeout, name = values["AUTO_DETACH_TIMEOUT"], "AUTO_DETACH_WARNING_TIMEOUT"
    if origins[name] == "default" and values[name] >= timeout:
        return {name: timeout / 2}
    return {}


def _documented(row: Setting) -> str:
    default = f"`{row.default}`" if row.default else "empty"
    meaning = f"{row.explained}; may be given as `{row.file_name}`" if row.file_name else row.explained
    return f"| {' | '.join([f'`{row.name}`', default, meaning, row.parser.allowed, row.taking_effect])} |"


def shown(row: Setting, value: Any) -> Any:
    """Return a value as a JSON value; masked if it is a secret."""
    if row.secret:
        return MASK if value else ""
    if row.parser.write is not None:
        return row.parser.write(value)
    if isinstance(value, list | tuple):
        return [each if isinstance(each, (bool, int, float)) else str(each) for each in value]
    if isinstance(value, frozenset):
        return sorted(map(str, value))
    if value is None:
        return ""
    return value if isinstance(value, (bool, int, float)) else str(value)
