"""Commands on settings: changes by the web admin or through a sink, and reloading ``.env``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from bssci.center.audit import AuditLog
from bssci.center.recorder import Recorder
from bssci.model.commands import Actor, CommandError
from bssci.settings.configuration import Configuration, setting_change
from bssci.settings.groups import Group
from bssci.system.clock import RunInThread


class SettingCommands:
    """Commands on settings; a part of :class:`bssci.center.commands.Commands`."""

    def __init__(self, audit: AuditLog, configuration: Configuration) -> None:
        self._audit = audit
        self._recorder = Recorder(audit)
        self._configuration = configuration

    def changeable(self) -> dict[str, Any]:
        """Return the settings that may change while the service runs, without credentials."""
        rows = self._configuration.catalogue.rows.values()
        return self._configuration.shown(
            sorted(row.name for row in rows if row.live and not row.is_credential)
        )

    async def change(self, values: Mapping[str, str], details: Mapping[str, str], by: Actor) -> None:
        """Change any settings, all or none.

        :param details: detail of the audit entry, by setting that changes.
        :raises CommandError: one is unknown, invalid or fixed; nothing changed.
        :raises bssci.journal.StorageError: the audit entry cannot be stored; nothing changed.
        """
        async with AsyncExitStack() as entries:
            with await self._configuration.room():
                for name, detail in details.items():
                    entry = self._audit.around(by, "config.change", name, detail)
                    await entries.enter_async_context(entry)
            await self._configuration.change(values)

    async def change_remotely(self, values: Mapping[str, Any], by: Actor) -> frozenset[str]:
        """Apply settings that came through a sink, and write them to ``.env``; return those that changed.

        :param values: JSON values or texts, by name.
        :raises CommandError: one is unknown, invalid, fixed, a credential, or needs a restart, or
            ``unavailable``: the audit entry or ``.env`` cannot be stored; none changed.
        """
        for name in values:
            self._configuration.refuse_remote(name)
        texts = self._configuration.texts(values)
        wanted = await self._configuration.check(texts)
        before = self._configuration.shown(sorted(texts))
        after = self._configuration.shown(sorted(texts), wanted)
        async with AsyncExitStack() as entries:
            with await self._configuration.room():
                for name in sorted(texts):
                    if after[name] != before[name]:
                        detail = setting_change(name, before[name], after[name])
                        entry = self._recorder.before(by, "config.change", name, detail)
                        await entries.enter_async_context(entry)
            return await self._configuration.change(texts)

    async def try_group(
        self, group: Group, values: Mapping[str, str], by: Actor, run_in_thread: RunInThread
    ) -> str:
        """Try to reach the remote side of a group of settings.

        :param values: unsaved settings to try instead of those in force.
        :return: one line that says what is wrong; empty if nothing is.
        :raises CommandError: a value is invalid, or the group has no trial.
        :raises bssci.journal.StorageError: the audit entry cannot be stored; nothing was tried.
        """
        if group.trial is None:
            raise CommandError("invalid", f"{group.title}: there is nothing to try")
        settings = await self._configuration.draft(values) if values else self._configuration.current
        await self._audit.record(by, "config.test", group.key)
        problem: str = await run_in_thread(group.trial, settings.values())
        return problem

    async def reload(self, by: Actor) -> None:
        """Read ``.env``, which somebody has changed, again.

        :raises CommandError: a setting is invalid; nothing changed.
        """
        changed = await self._configuration.reload()
        if changed:
            await self._audit.afterwards(by, "config.reload", "", ", ".join(sorted(changed)))
