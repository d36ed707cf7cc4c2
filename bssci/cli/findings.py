"""Findings about an installation, such as those about a sink or source before it is started."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bssci import extensions
from bssci.cli.absent_center import AbsentCenter
from bssci.cli.ports import listens
from bssci.extensions import ExtensionError, ExtensionKind
from bssci.journal import holder
from bssci.settings.groups import Group, ListeningAddress
from bssci.settings.table import Settings


class Finding(NamedTuple):
    """One line of a report."""

    level: str
    """ok, warning or error"""
    message: str


def about(kind: ExtensionKind, factory: Any, chosen: Settings, running: bool = False) -> Iterator[Finding]:
    """Yield findings about whether a sink or source would work. Takes seconds.

    :param running: true if the service runs and may use it, so that its ports may be taken: then it is not
        built if its other side was tried.
    """
    said = list(_of_its_other_side(kind, factory, chosen))
    yield from said
    if (running and said) or any(finding.level == "error" for finding in said):
        return
    try:
        extensions.build(kind, factory, chosen, AbsentCenter())
    except ExtensionError as error:
        if running:
            yield Finding("warning", f"{error} (or the running service holds what it needs)")
        else:
            yield Finding("error", str(error))
    else:
        if not said:
            yield Finding("ok", f"{kind.word} {factory.name}: can be built")


def _of_its_other_side(kind: ExtensionKind, factory: Any, chosen: Settings) -> Iterator[Finding]:
    group = extensions.group_of(kind, factory)
    trouble = "" if group is None else _unusable(group, chosen)
    if trouble:
        yield Finding("error", trouble)
        return
    if group is not None and group.trial is not None:
        trouble = group.trial(chosen.values())
        yield Finding("error" if trouble else "ok", f"{group.title}: {trouble or 'a connection can be made'}")
    for level, message in extensions.check(kind, factory, chosen):
        yield Finding(level, message)


def _unusable(group: Group, chosen: Settings) -> str:
    try:
        group.usable(chosen.values(), [row.name for row in group])
    except ValueError as error:
        return str(error)
    return ""


def is_running(chosen: Settings, places: Sequence[ListeningAddress]) -> bool:
    """Return whether this service center is running.

    The process that holds STATE_DIR, or held it last, listens on one of its ports: one of them may have been
    changed since its start. If it inherits all of them, it is enough that there is such a process.
    """
    pid = holder(chosen.state_dir)
    if pid is None or not Path(f"/proc/{pid}").exists():
        return False
    return not places or any(listens(pid, each.port) for each in places)
