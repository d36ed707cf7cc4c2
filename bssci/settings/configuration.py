"""The settings in force, and their change while the service runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from os.path import commonprefix
from pathlib import Path
from typing import IO, Any

from twisted.internet.defer import Deferred, DeferredLock, ensureDeferred
from twisted.logger import Logger

from bssci.model.commands import CommandError
from bssci.model.differences import change_text
from bssci.settings import env_file as env_files
from bssci.settings.catalogue import Catalogue, LoadedValues, shown
from bssci.settings.rows import Setting
from bssci.settings.table import Settings
from bssci.system.files import hold_room, write_atomically

FIXED_ORIGINS = ("command line", "environment", "file")

SettingsWatcher = Callable[[Settings], object]
SettingsTrial = Callable[[Settings, Collection[str]], None]
"""checks what the settings of the given names point to; raises ``ValueError`` with one line. Blocks"""


class Configuration:
    """The settings in force, their origins, and the watchers of their changes.

    :param options: values given on the command line, by option name.
    :param env_file: path of ``.env``; need not exist.
    :param run_in_thread: ``deferToThread``.
    :param trials: checks to run before a change is accepted, in addition to those of the groups.
    :raises SettingsError: a setting is invalid.
    """

    log = Logger()

    def __init__(
        self,
        catalogue: Catalogue,
        options: Mapping[str, Any],
        environ: Mapping[str, str],
        env_file: Path,
        run_in_thread: Callable[..., Deferred[Any]],
        trials: Sequence[SettingsTrial] = (),
    ) -> None:
        self.catalogue = catalogue
        self._options = dict(options)
        self._environ = dict(environ)
        self._env_file = env_file
        self._trials = tuple(trials)
        self._run_in_thread = run_in_thread
        self.trouble = ""
        """why ``.env``, as somebody has changed it, is not in force; empty: it is"""
        self._lock = DeferredLock()
        self._watchers: list[tuple[frozenset[str], SettingsWatcher]] = []
        self.current, self.origins, self.warnings, self._secrets = self._load()
        self.at_start = self.current
        """the settings at the start, which stay in force where a change needs a restart"""

    def files(self) -> tuple[Path, ...]:
        """Return the files that settings come from: ``.env``, and those that hold secrets."""
        return (self._env_file, *self._secrets)

    def watch(self, names: Sequence[str], watcher: SettingsWatcher) -> Callable[[], None]:
        """Call ``watcher`` with the new settings whenever one of ``names`` changes.

        :return: a function that ends the watch.
        """
        entry = (frozenset(names), watcher)
        self._watchers.append(entry)
        return lambda: self._watchers.remove(entry)

    def is_fixed(self, name: str) -> bool:
        """Return whether the command line or the environment fixes a setting: then no command changes it."""
        return self.origins[name] in FIXED_ORIGINS

    def shown(self, names: Sequence[str], settings: Settings | None = None) -> dict[str, Any]:
        """Return the values of these settings as JSON values; secrets are masked.

        :param settings: None: those in force.
        """
        settings = settings or self.current
        return {name: shown(self.catalogue.rows[name], settings.value(name)) for name in names}

    def refuse_remote(self, name: str) -> None:
        """Check whether a setting may be changed through a sink, where senders are not authenticated by us.

        :raises CommandError: it is a credential, decides who receives one, or needs a restart.
        """
        row = self.catalogue.rows.get(name)
        if row is None or not row.live:
            raise CommandError("invalid", f"{name} is not a setting that can change while running", name)
        if row.is_credential:
            raise CommandError("not_allowed", f"{name} is a credential: it cannot be changed here", name)
        if row.trusted:
            # A group may have secrets for several receivers: that with the nearest name is meant.
            secrets = [other.name for other in self.catalogue.group_of(name) if other.secret]
            sent = max(secrets, key=lambda other: len(commonprefix([name, other])), default=None)
            if sent is not None and self.current.value(sent):
                text = f"{name} decides to whom {sent} is sent; change it in the web admin or .env"
                raise CommandError("not_allowed", text, name)

    def texts(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Return settings that came as JSON in the form of ``.env``; their names are not checked.

        :raises CommandError: a value is of another type than its setting has.
        """
        found = {}
        for name, value in values.items():
            row = self.catalogue.rows.get(name)
            if row is not None and not _is_of_its_type(row, value):
                raise CommandError("invalid", f"{name} must be {row.parser.allowed or 'a text'}", name)
            found[name] = setting_text(name, value)
        return found

    async def room(self) -> IO[bytes]:
        """Hold what room on the disk a change of ``.env`` needs; closing the result gives it back.

        :raises CommandError: ``unavailable``: there is too little.
        """
        try:
            held: IO[bytes] = await self._run_in_thread(hold_room, self._env_file)
        except OSError as error:
            raise CommandError("unavailable", f"{self._env_file}: {error.strerror}") from error
        return held

    def change(self, values: Mapping[str, str]) -> Deferred[frozenset[str]]:
        """Write settings to ``.env`` and apply those that can change while running.

        All or nothing. The Deferred fires with the names of the settings that changed, and fails with
        :class:`CommandError` (``invalid``, ``conflict`` or ``unavailable``).
        """
        return self._lock.run(lambda: ensureDeferred(self._change(values)))

    async def check(self, values: Mapping[str, str]) -> Settings:
        """Return the settings that would be in force after :meth:`change`; nothing is written.

        :raises CommandError: as :meth:`change`.
        """
        return (await self._lock.run(lambda: ensureDeferred(self._tried(values))))[0]

    def faults(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return every setting that cannot be changed to its text, with the reason or what is allowed."""
        found: dict[str, str] = {}
        for name, text in values.items():
            row = self.catalogue.rows.get(name)
            if row is None:
                found[name] = "is not a setting"
            elif self.is_fixed(name):
                found[name] = f"is fixed by the {self.origins[name]}"
            elif fault := row.fault(text):
                found[name] = fault
        return found

    async def draft(self, values: Mapping[str, str]) -> Settings:
        """Return the settings with a change applied, without checking what they point to.

        :raises CommandError: a name is unknown or fixed, or a value invalid.
        """
        return (await self._lock.run(lambda: ensureDeferred(self._tried(values, usable=False))))[0]

    def reload(self) -> Deferred[frozenset[str]]:
        """Read ``.env`` and the files of secrets again, and apply the settings that can change while running.

        All or nothing; the Deferred fires and fails as that of :meth:`change`.
        """
        return self._lock.run(lambda: ensureDeferred(self._reload()))

    async def _reload(self) -> frozenset[str]:
        try:
            loaded: LoadedValues = await self._run_in_thread(self._load)
            changed = self._differing(loaded.settings)
            if changed & self.catalogue.live():
                await self._run_in_thread(
                    self.catalogue.refuse_unusable,
                    loaded.settings,
                    changed & self.catalogue.live(),
                    self._ports(),
                )
        except (ValueError, OSError) as error:
            self.trouble = str(error)
            raise CommandError("invalid", str(error)) from error
        self.trouble = ""
        if changed:
            self._take(loaded)
        later = sorted(changed - self.catalogue.live())
        if later:
            self.log.warn("settings need a restart {names}", names=later)
        return changed

    def _differing(self, settings: Settings) -> frozenset[str]:
        return frozenset(
            name for name in self.catalogue.rows if settings.value(name) != self.current.value(name)
        )

    async def _change(self, values: Mapping[str, str]) -> frozenset[str]:
        loaded = await self._tried(values, keep=True)
        self.trouble = ""
        return self._take(loaded)

    def _take(self, loaded: LoadedValues) -> frozenset[str]:
        """Apply settings and notify their watchers; return the names of those that changed."""
        before = self.current
        self.current, self.origins, self.warnings, self._secrets = loaded
        changed = frozenset(
            name for name in self.catalogue.rows if before.value(name) != self.current.value(name)
        )
        self.log.info("settings changed {names}", names=sorted(changed))
        for names, watcher in list(self._watchers):
            if names & changed:
                try:
                    watcher(self.current)
                except Exception:  # one failing watcher must not keep the change from the others
                    self.log.failure("change of settings not applied {names}", names=sorted(names & changed))
        return changed

    async def _tried(
        self, values: Mapping[str, str], *, usable: bool = True, keep: bool = False
    ) -> LoadedValues:
        for name in values:
            if name not in self.catalogue.rows:
                raise CommandError("invalid", f"{name} is not a setting", name)
            if self.is_fixed(name):
                raise CommandError("conflict", f"{name} is fixed by the {self.origins[name]}", name)
        try:
            loaded: LoadedValues = await self._run_in_thread(self._draft, values, usable, keep)
        except ValueError as error:
            raise CommandError("invalid", str(error), _named(error, values)) from error
        except OSError as error:
            raise CommandError("unavailable", f"{self._env_file}: {error.strerror}") from error
        return loaded

    def _draft(self, values: Mapping[str, str], usable: bool, keep: bool) -> LoadedValues:
        """Return the settings as they would be read from ``.env`` with these values. Blocks.

        :param usable: check also that the service could use what they point to.
        :param keep: write the values to ``.env``.
        :raises ValueError: a value is invalid or cannot be used.
        :raises OSError: ``.env`` cannot be written.
        """
        self.catalogue.check_texts(values)
        content = env_files.updated(self._env_file, values)
        loaded = self._load(content)
        if usable:
            self.catalogue.refuse_unusable(loaded.settings, values, self._ports())
            for trial in self._trials:
                trial(loaded.settings, values)
        if keep:
            write_atomically(self._env_file, content)
        return loaded

    def _ports(self) -> set[int]:
        """Return the ports that the service listens on now."""
        live = self.catalogue.live()
        started, now = self.at_start.values(), self.current.values()
        values = {name: now[name] if name in live else started[name] for name in now}
        return {place.port for place in self.catalogue.places_of(values)}

    def _load(self, content: bytes | None = None) -> LoadedValues:
        """Return the values in force, with ``.env`` as it is or with this content. Blocks."""
        return self.catalogue.load(self._options, self._environ, self._env_file, content)


def _is_of_its_type(row: Setting, value: Any) -> bool:
    """Return whether a JSON value is a text, null for the default, or of the type that a setting has."""
    if value is None or isinstance(value, str):
        return True
    default = row.parse(row.default, "default")
    if isinstance(value, bool):
        return isinstance(default, bool)
    if isinstance(value, list):
        is_list = isinstance(default, (tuple, list, frozenset)) and row.parser.write is None
        # In .env, a comma separates.
        return is_list and all(type(each) in (str, int) and "," not in str(each) for each in value)
    return isinstance(value, (int, float)) and not isinstance(default, bool)


def setting_text(name: str, value: Any) -> str:
    """Return a value in the form of ``.env``.

    :param value: a text, or a JSON value: number, boolean, null, or a list of texts and numbers.
    :raises CommandError: it is none of these.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and all(isinstance(each, (str, int)) for each in value):
        return ",".join(map(str, value))
    if isinstance(value, (str, int, float)):
        return str(value)
    if value is None:
        return ""
    raise CommandError("invalid", f"{name} must be text, a number, true or false", name)


def setting_change(name: str, before: Any, after: Any) -> str:
    """Return what a change of a setting changes, for the audit log; see :func:`setting_text`."""
    before, after = (
        value if isinstance(value, float) else setting_text(name, value) for value in (before, after)
    )
    return change_text(before, after)


def _named(error: Exception, values: Mapping[str, str]) -> str | None:
    """Return the one of the settings to change that an error names first; None if it names none of them."""
    text = str(error)
    return min((name for name in values if name in text), key=text.find, default=None)
