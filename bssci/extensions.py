"""Finds what is installed beside the service itself: sinks and decoders; and the settings that they bring."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.logger import Logger
from twisted.plugin import getPlugins
from zope.interface.exceptions import Invalid
from zope.interface.verify import verifyObject

from bssci import plugins
from bssci.decoders.interfaces import IDecoder, IDecoderFactory
from bssci.settings.catalogue import Catalogue
from bssci.settings.groups import Group
from bssci.settings.parsers import Parser
from bssci.settings.rows import Setting, SettingsError
from bssci.settings.table import OWN, Settings
from bssci.sinks.interfaces import ISink, ISinkFactory, SinkSetting

_log = Logger()


class ExtensionError(SettingsError):
    """An extension cannot be used; one line that says what to change."""


@dataclass(frozen=True)
class Kind:
    """One kind of extension."""

    word: str
    """word for people: ``sink``"""
    setting: str
    """name of the setting that says which are used: ``SINKS``"""
    factory: Any
    """the plugin's factory"""
    product: Any
    """the factory's product: a sink, source or decoder"""


SINK = Kind("sink", "SINKS", ISinkFactory, ISink)


@dataclass(frozen=True)
class Installed:
    """Everything that was found, and the settings of it all."""

    sinks: Mapping[str, Any]
    """every factory by its name"""
    catalogue: Catalogue

    def choose(self, names: Iterable[str]) -> list[Any]:
        """Return the factories that SINKS names, in its order.

        :raises ExtensionError: one is not installed.
        """
        chosen = []
        for name in names:
            if name not in self.sinks:
                known = ", ".join(sorted(self.sinks))
                raise ExtensionError(f"SINKS: no sink {name!r} is installed; there are: {known}")
            chosen.append(self.sinks[name])
        return chosen

    def refuse_unknown(self, settings: Settings, changed: Iterable[str]) -> None:
        """Check SINKS, if it is among the names of settings that changed.

        :raises ExtensionError: it names one that is not installed.
        """
        if SINK.setting in changed:
            self.choose(settings.sinks)


def discover() -> Installed:
    """Return what is installed.

    :raises ExtensionError: two have the same name, or one is no factory.
    :raises SettingsError: one brings a setting that is there already.
    """
    sinks = find(SINK)
    groups = [group_of(SINK, each) for each in sinks.values()]
    return Installed(sinks, Catalogue([group for group in groups if group is not None]))


def find(kind: Kind) -> dict[str, Any]:
    """Return every installed factory of a kind by its name, in the order of the names.

    :raises ExtensionError: two have the same name, or one is no factory.
    """
    factories: dict[str, Any] = {}
    for factory in getPlugins(kind.factory, plugins):
        try:
            verifyObject(kind.factory, factory)
        except Invalid as error:
            text = f"{kind.word} plugin {factory!r} is incomplete: {error}"
            raise ExtensionError(text.replace("\n", " ")) from error
        if factory.name in factories:
            both = f"{factories[factory.name]!r} and {factory!r}"
            raise ExtensionError(f"two {kind.word} plugins are named {factory.name!r}: {both}")
        factories[factory.name] = factory
    return dict(sorted(factories.items()))


def group_of(kind: Kind, factory: Any) -> Group | None:
    """Return the settings that a factory brings along; None if there are none."""
    settings = factory.settings
    if isinstance(settings, Group):
        return settings
    rows = tuple(row for each in settings if (row := _row(each)) is not None)
    if not rows:
        return None
    return Group(f"{kind.word.capitalize()} {factory.name}", rows, (kind.setting, factory.name))


def build(kind: Kind, factory: Any, settings: Settings, *others: Any) -> Any:
    """Return what a factory makes with the settings that it wants to know.

    :param others: what else the factory's ``build`` takes.
    :raises ExtensionError: a setting is wrong, or the extension is.
    """
    try:
        product = factory.build(_wanted(factory.settings, settings), *others)
    except ValueError as error:
        raise ExtensionError(f"{kind.word} {factory.name}: {error}") from error
    except Exception as error:  # whoever wrote the plugin; the operator must hear which one it is
        _log.failure("{kind} not built {name}", kind=kind.word, name=factory.name)
        text = f"{type(error).__name__}: {error}".replace("\n", " ")
        raise ExtensionError(f"{kind.word} {factory.name} failed: {text}; the log says where") from error
    try:
        verifyObject(kind.product, product)
    except Invalid as error:
        text = f"{kind.word} {factory.name} is incomplete: {error}"
        raise ExtensionError(text.replace("\n", " ")) from error
    return product


def check(factory: Any, settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield what a sink says about its settings and the other side, if it can: each ok, warning or error."""
    offered = getattr(factory, "check", None)
    if offered is None:
        return
    try:
        yield from offered(_wanted(factory.settings, settings))
    except ValueError as error:
        yield "error", f"sink {factory.name}: {error}"


def build_decoders(settings: Settings) -> tuple[list[Any], list[str]]:
    """Return every installed decoder, and one line for each that cannot be used; it costs nothing else."""
    decoders: dict[str, Any] = {}
    problems: list[str] = []
    for factory in getPlugins(IDecoderFactory, plugins):
        name = getattr(factory, "name", repr(factory))
        try:
            verifyObject(IDecoderFactory, factory)
            decoder = factory.build(_wanted(factory.settings, settings))
            verifyObject(IDecoder, decoder)
            if decoder.name in decoders:
                raise ValueError("another one has that name")
        except Invalid as error:
            problems.append(f"decoder {name} is incomplete: {error}".replace("\n", " "))
        except ValueError as error:
            problems.append(f"decoder {name}: {error}".replace("\n", " "))
        except Exception as error:  # whoever wrote the plugin; the operator must hear which one it is
            _log.failure("decoder not built {decoder}", decoder=name)
            problems.append(f"decoder {name} failed: {type(error).__name__}; the log says where")
        else:
            decoders[decoder.name] = decoder
    return list(decoders.values()), problems


def _row(setting: SinkSetting | Setting | str) -> Setting | None:
    """Return a setting as a row; None for the name of one that is not the plugin's own."""
    if isinstance(setting, Setting):
        return setting
    if isinstance(setting, SinkSetting):
        return Setting(
            setting.name,
            setting.default,
            Parser(setting.parse, ""),
            setting.description,
            live=setting.live,
            secret=setting.secret,
        )
    return None


def _wanted(wanted: Group | Sequence[Any], settings: Settings) -> dict[str, Any]:
    """Return the values that a factory wants to know, by the names of their settings."""
    values: dict[str, Any] = {}
    for each in wanted:
        name = each if isinstance(each, str) else each.name
        if isinstance(each, str) and name not in OWN and name not in settings.plugged:
            raise ValueError(f"{name} is no setting of the service")
        values[name] = settings.value(name)
    return values
