"""Commands on settings: changed by the web admin or by a sink, or read again from ``.env``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from bssci.center.audit import AuditLog
from bssci.center.recorder import Recorder
from bssci.model.commands import Actor, CommandError
from bssci.settings.configuration import Configuration, setting_text
from bssci.settings.groups import Group
from bssci.system.clock import RunInThread


class SettingCommands:
    """A part of :class:`bssci.center.commands.Commands`."""

    def __init__(self, audit: AuditLog, configuration: Configuration) -> None:
        self._audit = audit
        self._recorder = Recorder(audit)
        self._configuration = configuration

    def changeable(self) -> dict[str, Any]:
        """Return the settings that may change while the service runs, without credentials."""
        rows = self._configuration.catalogue.rows.values()
        return self._configuration.shown(sorted(row.name for row in rows if row.live and not row.private))

    async def change(self, values: Mapping[str, str], details: Mapping[str, str], by: Actor) -> None:
        """Change any settings, all or none.

        :param details: what the audit log says of each setting that changes.
        :raises CommandError: one is unknown, wrong or fixed; nothing changed.
        :raises bssci.journal.StorageError: it cannot be recorded, so it does not happen.
        """
        async with AsyncExitStack() as entries:
            with await self._configuration.room():
                for name, detail in details.items():
                    entry = self._audit.around(by, "config.change", name, detail)
                    await entries.enter_async_context(entry)
            await self._configuration.change(values)

    async def change_remotely(self, values: Mapping[str, Any], by: Actor) -> frozenset[str]:
        """Put settings into force and write them to ``.env``; what changed.

        :param values: by name; as JSON knows them, or as text.
        :raises CommandError: one is unknown, wrong, fixed, a credential or needs a restart; nothing changed.
        """
        for name in values:
            self._configuration.refuse_remote(name)
        before = self.changeable()
        changed = await self._configuration.change(
            {name: setting_text(name, value) for name, value in values.items()}
        )
        after = self.changeable()
        for name in sorted(changed):
            texts = [setting_text(name, shown[name]) for shown in (before, after)]
            await self._recorder.after(by, "config.change", name, " -> ".join(texts))
        return changed

    async def try_group(
        self, group: Group, values: Mapping[str, str], by: Actor, run_in_thread: RunInThread
    ) -> str:
        """Try to reach the other side of a group of settings.

        :param values: settings that are not saved, with which it is tried.
        :return: what is wrong, or nothing.
        :raises CommandError: a value cannot be, or the group has nothing to try.
        :raises bssci.journal.StorageError: the trial cannot be recorded, so there is none.
        """
        if group.trial is None:
            raise CommandError("invalid", f"{group.title}: there is nothing to try")
        settings = await self._configuration.draft(values) if values else self._configuration.current
        await self._audit.record(by, "config.test", group.key)
        problem: str = await run_in_thread(group.trial, settings.values())
        return problem

    async def reload(self, by: Actor) -> None:
        """Read ``.env`` again.

        :raises CommandError: a setting is wrong; nothing changed.
        :raises bssci.journal.StorageError: it is done, but not in the audit log.
        """
        changed = await self._configuration.reload()
        if changed:
            await self._audit.record(by, "config.reload", "", ", ".join(sorted(changed)))
