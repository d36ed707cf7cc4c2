"""Finds the sinks and decoders that are installed, and builds them: of sinks, those that SINKS names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from twisted.logger import Logger
from twisted.plugin import getPlugins
from zope.interface.exceptions import Invalid
from zope.interface.verify import verifyObject

from bssci import plugins
from bssci.decoders.interfaces import IDecoder, IDecoderFactory
from bssci.settings.table import SETTINGS, Settings, SettingsError
from bssci.sinks.interfaces import ISink, ISinkFactory, SinkSetting

_log = Logger()


class SinkError(SettingsError):
    """A sink cannot be used; one line that says what to change."""


def discover() -> dict[str, Any]:
    """Every installed :class:`ISinkFactory` by its name.

    :raises SinkError: two have the same name, one is no factory, or brings a setting that is there already.
    """
    factories: dict[str, Any] = {}
    for factory in getPlugins(ISinkFactory, plugins):
        try:
            verifyObject(ISinkFactory, factory)
        except Invalid as error:
            raise SinkError(f"sink plugin {factory!r} is incomplete: {error}".replace("\n", " ")) from error
        if factory.name in factories:
            raise SinkError(
                f"two sink plugins are named {factory.name!r}: {factories[factory.name]!r} and {factory!r}"
            )
        factories[factory.name] = factory
    names = Counter(setting.name for setting in own_settings(factories.values()))
    taken = sorted(name for name, count in names.items() if count > 1 or name in SETTINGS)
    if taken:
        raise SinkError(f"sink plugins bring settings that are there already: {', '.join(taken)}")
    return factories


def choose(factories: Mapping[str, Any], names: Iterable[str]) -> list[Any]:
    """The factories that SINKS names, in its order.

    :raises SinkError: one is not installed.
    """
    chosen = []
    for name in names:
        if name not in factories:
            installed = ", ".join(sorted(factories))
            raise SinkError(f"SINKS: no sink {name!r} is installed; there are: {installed}")
        chosen.append(factories[name])
    return chosen


def own_settings(factories: Iterable[Any]) -> list[SinkSetting]:
    """The settings that sinks bring along."""
    return [
        setting for factory in factories for setting in factory.settings if isinstance(setting, SinkSetting)
    ]


def own_setting_names() -> set[str]:
    """What the settings are called that installed sinks bring along.

    :raises SinkError: as :func:`discover`.
    """
    return {setting.name for setting in own_settings(discover().values())}


def build(factory: Any, settings: Settings, texts: Mapping[str, str], center: Any) -> Any:
    """One sink.

    :param texts: what the environment and ``.env`` say, for the sink's own settings.
    :raises SinkError: a setting is wrong, or the sink is.
    """
    try:
        sink = factory.build(_values(factory.settings, settings, texts), center)
    except ValueError as error:
        raise SinkError(f"sink {factory.name}: {error}") from error
    except Exception as error:  # whoever wrote the plugin; the operator must hear which one it is
        _log.failure("sink not built {sink}", sink=factory.name)
        text = f"{type(error).__name__}: {error}".replace("\n", " ")
        raise SinkError(f"sink {factory.name} failed: {text}; the log says where") from error
    try:
        verifyObject(ISink, sink)
    except Invalid as error:
        raise SinkError(f"sink {factory.name} is incomplete: {error}".replace("\n", " ")) from error
    return sink


def check(factory: Any, settings: Settings, texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What a sink says about its settings and the other side, if it can: lines with ok, warning or error.

    :param texts: as for :func:`build`.
    """
    offered = getattr(factory, "check", None)
    if offered is None:
        return
    try:
        yield from offered(_values(factory.settings, settings, texts))
    except ValueError as error:
        yield "error", f"sink {factory.name}: {error}"


def build_decoders(settings: Settings, texts: Mapping[str, str]) -> tuple[list[Any], list[str]]:
    """Every installed decoder, and one line for each that cannot be used; it costs nothing else.

    :param texts: as for :func:`build`.
    """
    decoders: dict[str, Any] = {}
    problems: list[str] = []
    for factory in getPlugins(IDecoderFactory, plugins):
        name = getattr(factory, "name", repr(factory))
        try:
            verifyObject(IDecoderFactory, factory)
            decoder = factory.build(_values(factory.settings, settings, texts))
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


def _values(
    wanted: Sequence[SinkSetting | str], settings: Settings, texts: Mapping[str, str]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for setting in wanted:
        if isinstance(setting, str):
            if setting not in SETTINGS:
                raise ValueError(f"{setting} is no setting of the service")
            values[setting] = getattr(settings, SETTINGS[setting].attribute)
            continue
        try:
            values[setting.name] = setting.parse(texts.get(setting.name) or setting.default)
        except ValueError as error:
            raise ValueError(f"{setting.name}: {error}") from error
    return values
