"""The settings in force, and their change while the service runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock, ensureDeferred
from twisted.logger import Logger

from bssci.journal import JournalError
from bssci.journal.sqlite.database import check_file
from bssci.model.commands import CommandError
from bssci.settings import table as settings
from bssci.settings.table import SETTINGS, Origin, Settings
from bssci.settings.trial import listening_places, refuse_unusable

CREDENTIALS = frozenset({"MQTT_USERNAME", "MQTT_PASSWORD"})
"""never told to, nor taken from, MQTT"""
FIXED_ORIGINS = ("command line", "environment")

Watcher = Callable[[Settings], object]
Loaded = tuple[Settings, dict[str, Origin], list[str]]


class Configuration:
    """The settings, their origins, and who must hear of changes.

    :param options: what the command line said, by option name.
    :param run_in_thread: ``deferToThread``.
    :param others: settings that sinks of third parties bring along.
    """

    log = Logger()

    def __init__(
        self,
        options: Mapping[str, Any],
        environ: Mapping[str, str],
        env_file: Path,
        run_in_thread: Callable[..., Deferred[Any]],
        others: Collection[str] = (),
    ) -> None:
        self._options = dict(options)
        self._environ = dict(environ)
        self._env_file = env_file
        self._others = others
        self._run_in_thread = run_in_thread
        self._lock = DeferredLock()
        self._watchers: list[tuple[frozenset[str], Watcher]] = []
        self.check_sinks: Callable[[Settings], object] = lambda settings: None
        """raises ``ValueError`` if SINKS names one that is not installed; blocks"""
        self.current, self.origins, self.warnings = self._load(env_file)
        self.at_start = self.current
        """what is in force for settings that need a restart"""

    def watch(self, names: Sequence[str], watcher: Watcher) -> Callable[[], None]:
        """Call ``watcher`` with the new settings when one of ``names`` changed; returns what ends that."""
        entry = (frozenset(names), watcher)
        self._watchers.append(entry)
        return lambda: self._watchers.remove(entry)

    def is_fixed(self, name: str) -> bool:
        """Whether the command line or the environment decides, so that nobody else can."""
        return self.origins[name] in FIXED_ORIGINS

    def shown(self, names: Sequence[str]) -> dict[str, Any]:
        """Values as JSON knows them; secrets masked."""
        return {
            name: settings.MASK
            if SETTINGS[name].secret and getattr(self.current, SETTINGS[name].attribute)
            else _plain(getattr(self.current, SETTINGS[name].attribute))
            for name in names
        }

    def change(self, values: Mapping[str, str]) -> Deferred[frozenset[str]]:
        """Write settings to ``.env`` and put into force what can change while running.

        All or nothing. The Deferred fires with the names of those that changed, and fails
        with :class:`CommandError` (``invalid``, ``conflict`` or ``unavailable``).
        """
        return self._lock.run(lambda: ensureDeferred(self._change(values)))

    async def check(self, values: Mapping[str, str]) -> Settings:
        """What would be in force after :meth:`change`; nothing is written.

        :raises CommandError: as :meth:`change`.
        """
        return (await self._lock.run(lambda: ensureDeferred(self._tried(values))))[0]

    async def draft(self, values: Mapping[str, str]) -> Settings:
        """The same, whether or not the service could start with what the settings point to."""
        return (await self._lock.run(lambda: ensureDeferred(self._tried(values, usable=False))))[0]

    async def _change(self, values: Mapping[str, str]) -> frozenset[str]:
        loaded = await self._tried(values, keep=True)
        before, (self.current, self.origins, self.warnings) = self.current, loaded
        changed = frozenset(
            name
            for name, setting in SETTINGS.items()
            if getattr(before, setting.attribute) != getattr(self.current, setting.attribute)
        )
        self.log.info("settings changed {names}", names=sorted(changed))
        for names, watcher in list(self._watchers):
            if names & changed:
                try:
                    watcher(self.current)
                except Exception:  # one watcher, of a sink perhaps, keeps no other from the change
                    self.log.failure("setting not taken over {names}", names=sorted(names & changed))
        return changed

    async def _tried(self, values: Mapping[str, str], *, usable: bool = True, keep: bool = False) -> Loaded:
        for name in values:
            if name not in SETTINGS:
                raise CommandError("invalid", f"{name} is not a setting", name)
            if self.is_fixed(name):
                raise CommandError("conflict", f"{name} is fixed by the {self.origins[name]}", name)
        try:
            loaded: Loaded = await self._run_in_thread(self._draft, values, usable, keep)
        except (ValueError, JournalError) as error:
            raise CommandError("invalid", str(error), _named(error, values)) from error
        except OSError as error:
            raise CommandError("unavailable", f"{self._env_file}: {error.strerror}") from error
        return loaded

    def _draft(self, values: Mapping[str, str], usable: bool, keep: bool) -> Loaded:
        """The settings as they would be read from ``.env`` with these values. Blocks.

        :param usable: only if the service could start with what they point to.
        :param keep: write them.
        :raises ValueError: one is wrong, or cannot be used.
        :raises JournalError: what STATE_DIR holds cannot be used.
        """
        draft = self._env_file.with_name(f"{self._env_file.name}.new")
        try:
            if self._env_file.exists():
                shutil.copy2(self._env_file, draft)
            settings.update_env_file(draft, values)
            loaded = self._load(draft)
            if usable:
                refuse_unusable(loaded[0], values, self._ports())
                if "STATE_DIR" in values:
                    check_file(loaded[0].state_dir)
                if "SINKS" in values:
                    self.check_sinks(loaded[0])
            if keep:
                os.replace(draft, self._env_file)
        finally:
            draft.unlink(missing_ok=True)
        return loaded

    def _ports(self) -> set[int]:
        """What the service listens on now: of the ports, only the embedded broker's changes while it runs."""
        now = self.current
        places = replace(self.at_start, mqtt_broker=now.mqtt_broker, mqtt_port=now.mqtt_port)
        return {port for _, _, port in listening_places(places)}

    def _load(self, env_file: Path) -> Loaded:
        return settings.load(self._options, self._environ, env_file, others=self._others)


def setting_text(name: str, value: Any) -> str:
    """A value as ``.env`` has it.

    :param value: text, or as JSON knows it.
    :raises CommandError: it is neither.
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


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value


def _named(error: Exception, values: Mapping[str, str]) -> str | None:
    """The setting that an error is about, if it is one of those that were to change: named first."""
    text = str(error)
    return min((name for name in values if name in text), key=text.find, default=None)
