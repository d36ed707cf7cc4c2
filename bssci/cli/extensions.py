"""``bssci sinks`` and ``bssci sources``: list extensions of one kind with their settings, and test them."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from bssci import extensions
from bssci.cli import findings
from bssci.cli.chosen import load
from bssci.extensions import SINK, SOURCE, ExtensionKind, Installed
from bssci.model.own_words import one_line
from bssci.settings.catalogue import Catalogue, LoadedValues, shown
from bssci.settings.groups import Group
from bssci.settings.rows import Origin, Setting

KINDS = {"sinks": SINK, "sources": SOURCE}
"""kind of extension by the name of its command"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    listing = "what is installed, its settings, and reasons why one cannot be used (the default)"
    actions.add_parser("list", help=listing)
    test = actions.add_parser("test", help="report whether it would work: its settings, and its remote side")
    test.add_argument("name", nargs="*", help="default: those that are in use")


def run(arguments: argparse.Namespace) -> int:
    """Carry out one action for the extensions that the command is named after."""
    kind = KINDS[arguments.command]
    installed, loaded = load()
    if arguments.action != "test":
        return _list(kind, installed, loaded)
    return _test(kind, installed, loaded, arguments.name)


def _list(kind: ExtensionKind, installed: Installed, loaded: LoadedValues) -> int:
    """Print everything; exit status 1 if something cannot be used."""
    in_use = loaded.settings.value(kind.setting)
    for name, factory in installed.of(kind).items():
        print(f"{name}{' (in use)' if name in in_use else ''}: {one_line(factory.description)}")
        for row in _settings(kind, factory, installed.catalogue):
            print(_setting(row, loaded.settings.value(row.name), loaded.origins[row.name]))
    troubles = [*installed.refused.values(), *extensions.faulty_modules()]
    for line in troubles:
        print(f"problem: {line}", file=sys.stderr)
    return int(bool(troubles))


def _settings(kind: ExtensionKind, factory: Any, catalogue: Catalogue) -> list[Setting]:
    """Return the settings that a factory names, and then those of its own."""
    own = list(extensions.group_of(kind, factory) or ())
    if isinstance(factory.settings, Group):
        return own
    named = (catalogue.rows.get(each) for each in factory.settings if isinstance(each, str))
    return [row for row in named if row is not None] + own


def _setting(row: Setting, value: object, origin: Origin) -> str:
    text = shown(row, value)
    words = ",".join(map(str, text)) if isinstance(text, list) else str(text)
    if isinstance(text, bool):
        words = words.lower()
    return f"  {row.name}={words}  ({origin})  {row.explained}"


def _test(kind: ExtensionKind, installed: Installed, loaded: LoadedValues, names: list[str]) -> int:
    """Print the findings; exit status 1 if one is an error."""
    status = 0
    chosen = loaded.settings
    running = findings.is_running(chosen, installed.catalogue.places(chosen))
    for factory in installed.choose(names or chosen.value(kind.setting), kind):
        for level, message in findings.about(kind, factory, chosen, running):
            print(f"{level}: {message}")
            status = max(status, int(level == "error"))
    return status
