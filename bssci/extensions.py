"""Discovery of the installed extensions, that is sinks, sources and decoders, and of their settings."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, NamedTuple

import twisted.plugin
from twisted.logger import Logger
from twisted.plugin import IPlugin, getPlugins
from zope.interface.exceptions import (
    BrokenImplementation,
    BrokenMethodImplementation,
    DoesNotImplement,
    Invalid,
)
from zope.interface.verify import verifyObject

from bssci import plugins
from bssci.decoders.interfaces import IDecoder, IDecoderFactory
from bssci.model.own_words import fault_of, one_line
from bssci.model.plain_text import control_fault
from bssci.settings.catalogue import Catalogue
from bssci.settings.groups import Group
from bssci.settings.parsers import Parser
from bssci.settings.rows import PluginSetting, Setting, SettingsError
from bssci.settings.table import OWN, Settings
from bssci.sinks.interfaces import ISink, ISinkFactory
from bssci.sources.interfaces import ISource, ISourceFactory

_log = Logger()


class ExtensionError(SettingsError):
    """An extension cannot be used; the message is one line that says what to change."""


@dataclass(frozen=True)
class ExtensionKind:
    """One kind of extension."""

    word: str
    """name of the kind in messages: ``sink``"""
    setting: str
    """name of the setting that chooses the ones to use: ``SINKS``; empty: all are used"""
    factory: Any
    """interface of the plugin's factory"""
    product: Any
    """interface of the factory's product: a sink, source or decoder"""


_TAKEN = "{} cannot be its setting: it exists already, or its default is invalid"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_DECODER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SETTING_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
PLACE = f"{plugins.__name__}."
"""prefix of the names of all modules with plugins"""
SINK = ExtensionKind("sink", "SINKS", ISinkFactory, ISink)
DECODER = ExtensionKind("decoder", "", IDecoderFactory, IDecoder)
SOURCE = ExtensionKind("source", "SOURCES", ISourceFactory, ISource)
LEVELS = ("ok", "warning", "error")
"""levels of the findings of a check"""
KINDS = (SINK, SOURCE)
"""kinds that have a setting which chooses the ones to use"""


class InstalledExtensions(NamedTuple):
    """Extensions of one kind that are installed."""

    usable: Mapping[str, Any]
    """usable factories by name, in the order of the names"""
    refused: Mapping[str, str]
    """by name of a factory, one line that says why it cannot be used"""


@dataclass(frozen=True)
class Installed:
    """All installed extensions, and the catalogue of all settings."""

    sinks: Mapping[str, Any]
    """usable factories of sinks by name"""
    catalogue: Catalogue
    refused: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """by kind (its ``word``) and name of a factory, one line that says why it cannot be used"""
    sources: Mapping[str, Any] = field(default_factory=dict)
    """usable factories of sources by name"""

    def of(self, kind: ExtensionKind) -> Mapping[str, Any]:
        """Return the usable factories of a kind by name."""
        return {SINK.word: self.sinks, SOURCE.word: self.sources}[kind.word]

    def choose(self, names: Iterable[str], kind: ExtensionKind = SINK) -> list[Any]:
        """Return the factories that a kind's setting names, in its order.

        :raises ExtensionError: one is not installed.
        """
        there = self.of(kind)
        chosen = []
        for name in names:
            refused = self.refused.get((kind.word, name))
            if refused is not None and name not in there:
                raise ExtensionError(f"{kind.setting}: {refused}")
            if name not in there:
                known = ", ".join(sorted(there))
                broken = "".join(f"; {text}" for text in faulty_modules())
                text = f"no {kind.word} {name!r} is installed; available: {known}{broken}"
                raise ExtensionError(f"{kind.setting}: {text}")
            chosen.append(there[name])
        return chosen

    def refuse_unknown(self, settings: Settings, changed: Iterable[str]) -> None:
        """Check SINKS and SOURCES, if they are among the changed settings.

        :raises ExtensionError: one names an extension that is not installed.
        """
        for kind in KINDS:
            if kind.setting in changed:
                self.choose(settings.value(kind.setting), kind)


def discover() -> Installed:
    """Return what is installed. An unusable extension causes no error unless it is chosen."""
    groups: list[Group] = []
    refused: dict[tuple[str, str], str] = {}
    there: dict[str, Mapping[str, Any]] = {}
    for kind in KINDS:
        found = _with_groups(kind, find(kind), groups)
        there[kind.word] = found.usable
        refused |= {(kind.word, name): text for name, text in found.refused.items()}
    # Problems of decoders are reported when they are built.
    _with_groups(DECODER, find(DECODER), groups)
    return Installed(there[SINK.word], Catalogue(groups), refused, there[SOURCE.word])


def _with_groups(kind: ExtensionKind, found: InstalledExtensions, groups: list[Group]) -> InstalledExtensions:
    """Add the settings of extensions to the groups; refuse extensions whose settings are invalid."""
    usable, refused = dict(found.usable), dict(found.refused)
    for name, factory in sorted(found.usable.items(), key=lambda each: not _is_own(each[1])):
        try:
            group = group_of(kind, factory)
            if group is None:
                continue
            Catalogue([*groups, group])
            for row in group:
                row.parse(row.default, "default")
        except SettingsError as error:
            refused[name] = f"{kind.word} {name}: {error}"
            del usable[name]
        else:
            groups.append(group)
    return InstalledExtensions(usable, refused)


def find(kind: ExtensionKind) -> InstalledExtensions:
    """Return the usable factories of a kind, and the reasons why others cannot be used.

    One of the service's own stays usable when another has its name.
    """
    factories: dict[str, Any] = {}
    refused: dict[str, str] = {}
    for factory in _plugins(kind.factory):
        name = _name_of(factory)
        fault = _fault(kind, factory)
        if fault:
            refused[name] = f"{kind.word} {name} {fault}"
            continue
        if name not in factories and name not in refused:
            factories[name] = factory
            continue
        if name in factories and _is_own(factories[name]):
            refused[name] = f"{kind.word} {name} of {_module(factory)}: the service has one of this name"
            continue
        modules = sorted(_module(each) for each in (factories.pop(name, factory), factory))
        refused[name] = f"two {kind.word} plugins are named {name!r}: in {' and '.join(modules)}"
    return InstalledExtensions(dict(sorted(factories.items())), refused)


def faulty_modules() -> list[str]:
    """Return a line for each plugin module that Twisted skips: it cannot be loaded, or lacks a plugin."""
    troubles: list[str] = []
    for module in iter_modules(plugins.__path__, PLACE):
        try:
            troubles += _lacking_plugins(import_module(module.name))
        except (Exception, SystemExit) as error:  # whatever a third party's module raises
            file = f"{module.name.rpartition('.')[2]}.py"
            lines = [
                each.lineno
                for each in traceback.extract_tb(error.__traceback__)
                if each.filename.endswith(f"/{file}")
            ]
            place = f", line {lines[-1]}" if lines else ""
            troubles.append(f"{module.name} cannot be loaded{place}: {fault_of(error)}")
    return troubles


def _lacking_plugins(module: ModuleType) -> Iterator[str]:
    """Yield a line for each class of factories of a module that Twisted does not find an object of."""
    there = list(vars(module).values())
    for each in there:
        if not isinstance(each, type) or each.__module__ != module.__name__:
            continue
        made = next((kind.factory for kind in (*KINDS, DECODER) if kind.factory.implementedBy(each)), None)
        objects = [one for one in there if isinstance(one, each)]
        if made is None or any(map(IPlugin.providedBy, objects)):
            continue
        marks = f"is not marked @implementer(IPlugin, {made.__name__})"
        lack = marks if objects else "has no object at top level"
        yield f"{module.__name__} holds no plugin: its class {each.__name__} {lack}"


def _plugins(interface: Any) -> list[Any]:
    """Return all plugins that provide an interface: the service's own first, then by their modules."""
    with _without_tracebacks():
        return sorted(getPlugins(interface, plugins), key=lambda each: (not _is_own(each), _module(each)))


class _Silence:
    """A log of Twisted that logs nothing."""

    @staticmethod
    def err(*_: Any, **__: Any) -> None: ...

    @staticmethod
    def msg(*_: Any, **__: Any) -> None: ...


@contextmanager
def _without_tracebacks() -> Iterator[None]:
    """Keep Twisted from logging tracebacks at each look for plugins; :func:`faulty_modules` has the lines."""
    module: Any = twisted.plugin
    log, module.log = module.log, _Silence
    try:
        yield
    finally:
        module.log = log


def _name_of(factory: Any) -> str:
    """Return the name of a factory for messages; that of its module if its own cannot be read."""
    try:
        return one_line(str(factory.name))
    except Exception:  # a third party's attribute may be or raise anything
        return _module(factory)


def _fault(kind: ExtensionKind, factory: Any) -> str:
    """Return in one line what is wrong with a factory; empty: nothing."""
    try:
        verifyObject(kind.factory, factory)
        fault = _fault_of_attributes(kind, factory)
    except Invalid as error:
        return f"is incomplete: {_lacking(error)}"
    except Exception as error:  # a third party's attribute may be or raise anything
        fault = f"it cannot be read: {fault_of(error)}"
    return f"of {_module(factory)}: {fault}" if fault else ""


def _fault_of_attributes(kind: ExtensionKind, factory: Any) -> str:
    if not isinstance(factory.name, str) or not _NAME.fullmatch(factory.name):
        return f"its name is {factory.name!r}: lower-case letters, digits, _ and - are allowed"
    if not isinstance(factory.description, str):
        return f"its description is {factory.description!r}, not a text"
    if isinstance(factory.settings, Group):
        return ""
    if not isinstance(factory.settings, (tuple, list)):
        return f"its settings are {factory.settings!r}, not a tuple"
    for each in factory.settings:
        if isinstance(each, PluginSetting):
            fault = _fault_of_setting(each)
            if fault:
                return f"its setting {each.name}: {fault}"
        elif not isinstance(each, (Setting, str)):
            expected = f"a {kind.word.capitalize()}Setting, or the name of a setting of the service"
            return f"its settings hold {each!r}, not {expected}"
    return ""


def _fault_of_setting(setting: PluginSetting) -> str:
    if not isinstance(setting.name, str) or not _SETTING_NAME.fullmatch(setting.name):
        return "as its name, upper-case letters, digits and _ are allowed"
    for what, value in (("default", setting.default), ("description", setting.description)):
        if not isinstance(value, str):
            return f"its {what} is {value!r}, not a text"
    if control_fault(setting.default):
        return f"its default is {setting.default!r}, not a text of one line"
    return "" if callable(setting.parse) else f"its parse is {setting.parse!r}, which cannot be called"


def _module(factory: Any) -> str:
    """Return the module that a factory comes from."""
    return str(type(factory).__module__)


def _is_own(factory: Any) -> bool:
    """Return whether a factory comes with the service: those of others are in modules of their own or in
    ``bssci.plugins``.
    """
    module = _module(factory)
    return module.startswith("bssci.") and not module.startswith(PLACE)


def group_of(kind: ExtensionKind, factory: Any) -> Group | None:
    """Return the settings of a factory as a group; None if it has none of its own."""
    settings = factory.settings
    if isinstance(settings, Group):
        return settings
    rows = tuple(row for each in settings if (row := _row(each)) is not None)
    if not rows:
        return None
    chosen_by = (kind.setting, factory.name) if kind.setting else None
    return Group(f"{kind.word.capitalize()} {factory.name}", rows, chosen_by)


def build(kind: ExtensionKind, factory: Any, settings: Settings, *others: Any) -> Any:
    """Return the product of a factory, built with the values of its settings.

    :param others: further arguments of the factory's ``build``.
    :raises ExtensionError: a setting is invalid, or the extension is faulty.
    """
    try:
        product = factory.build(_wanted(factory.settings, settings), *others)
        verifyObject(kind.product, product)
    except ValueError as error:
        raise ExtensionError(f"{kind.word} {factory.name}: {error}") from error
    except Invalid as error:
        raise ExtensionError(f"{kind.word} {factory.name} is incomplete: {_lacking(error)}") from error
    except (Exception, SystemExit) as error:  # third-party code; tell the operator which extension failed
        _log.failure("{kind} not built {name}", kind=kind.word, name=factory.name)
        text = f"{kind.word} {factory.name} failed: {fault_of(error)}; see the log for details"
        raise ExtensionError(text) from error
    return product


def check(kind: ExtensionKind, factory: Any, settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the findings of a factory's own check, if it has one: (ok, warning or error; text)."""
    try:
        offered = getattr(factory, "check", None)
        if offered is None:
            return
        for found in offered(_wanted(factory.settings, settings)):
            level, text = found if isinstance(found, tuple) and len(found) == 2 else ("", None)
            if level not in LEVELS or not isinstance(text, str):
                raise TypeError(f"{found!r} is not a level (ok, warning or error) and a text")
            yield level, one_line(text)
    except ValueError as error:
        yield "error", f"{kind.word} {factory.name}: {one_line(str(error))}"
    except (Exception, SystemExit) as error:  # whatever a third party's check raises
        yield "error", f"{kind.word} {factory.name}: its check failed: {fault_of(error)}"


def build_decoders(settings: Settings) -> tuple[list[Any], list[str]]:
    """Return all usable installed decoders, and one line for each that cannot be used."""
    decoders: dict[str, Any] = {}
    modules: dict[str, str] = {}
    problems: list[str] = []
    for factory in _plugins(IDecoderFactory):
        name = _name_of(factory)
        try:
            verifyObject(IDecoderFactory, factory)
            decoder = factory.build(_wanted(factory.settings, settings))
            verifyObject(IDecoder, decoder)
            _refuse_labels(decoder)
            if decoder.name in decoders:
                other = modules[decoder.name]
                raise ValueError(f"two have this name; that of {_module(factory)} gives way to {other}")
        except Invalid as error:
            problems.append(f"decoder {name} is incomplete: {_lacking(error)}")
        except ValueError as error:
            problems.append(f"decoder {name}: {error}".replace("\n", " "))
        except Exception as error:  # third-party code; tell the operator which decoder failed
            _log.failure("decoder not built {decoder}", decoder=name)
            problems.append(f"decoder {name} failed: {fault_of(error)}; see the log for details")
        else:
            decoders[decoder.name] = decoder
            modules[decoder.name] = _module(factory)
    return list(decoders.values()), problems


def _refuse_labels(decoder: Any) -> None:
    """Check name and version of a decoder, which every reading carries.

    :raises ValueError: one cannot be used.
    """
    if not isinstance(decoder.name, str) or not _DECODER_NAME.fullmatch(decoder.name):
        raise ValueError(f"its name is {decoder.name!r}: letters, digits, _, . and - are allowed")
    if not isinstance(decoder.version, str) or not decoder.version:
        raise ValueError(f"its version is {decoder.version!r}, not a text such as '1'")


def _lacking(error: Invalid) -> str:
    """Return in one line what an object lacks of its interface."""
    lacking, faults = [], []
    for each in getattr(error, "exceptions", (error,)):
        match each:
            case BrokenImplementation():
                lacking.append(_member(each.name))
            case BrokenMethodImplementation():
                faults.append(f"{_member(each.method)}: {each.mess}")
            case DoesNotImplement():
                faults.append(f"its class lacks @implementer({each.interface.__name__})")
            case _:
                faults.append(" ".join(str(each).split()))
    return "; ".join([f"it lacks {', '.join(lacking)}"] * bool(lacking) + faults)


def _member(name: object) -> str:
    """Return a member of an interface without the interface: ``deliver(batch)``."""
    path, bracket, arguments = str(name).partition("(")
    return path.rpartition(".")[2] + bracket + arguments


def _row(setting: PluginSetting | Setting | str) -> Setting | None:
    """Return a setting as a row; None for the name of one that is not the plugin's own."""
    if isinstance(setting, Setting):
        return setting
    if isinstance(setting, PluginSetting):
        return Setting(
            setting.name,
            setting.default,
            Parser(
                _careful(setting.parse),
                setting.allowed or getattr(setting.parse, "allowed", ""),
                quotable=getattr(setting.parse, "quotable", True),
            ),
            one_line(setting.description),
            live=setting.live,
            reread=setting.reread,
            secret=setting.secret,
        )
    return None


def _careful(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a plugin's parser that raises nothing but ValueError."""

    def parsed(text: str) -> Any:
        try:
            return parse(text)
        except ValueError:
            raise
        except (Exception, SystemExit) as error:  # whatever a third party's parser raises
            raise ValueError(f"its parse failed: {fault_of(error)}") from error

    return parsed


def _wanted(wanted: Group | Sequence[Any], settings: Settings) -> dict[str, Any]:
    """Return the values that a factory asks for, by the names of their settings."""
    values: dict[str, Any] = {}
    for each in wanted:
        name = each if isinstance(each, str) else each.name
        if name not in settings.plugged and not (isinstance(each, str) and name in OWN):
            raise ValueError(
                f"{name} is not a setting of the service" if isinstance(each, str) else _TAKEN.format(name)
            )
        values[name] = settings.value(name)
    return values
