"""Which sinks there are, what they want to know, and what is said about wrong ones."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import twisted.plugin
from twisted.internet.defer import succeed
from twisted.plugin import IPlugin
from twisted.python.failure import Failure
from zope.interface import directlyProvides, implementer

from bssci import extensions
from bssci.decoders.cayenne import CayenneDecoder
from bssci.decoders.interfaces import IDecoder, IDecoderFactory
from bssci.extensions import SINK, SOURCE, ExtensionError, Installed
from bssci.settings.catalogue import Catalogue
from bssci.settings.rows import SettingsError
from bssci.sinks import ISink, ISinkFactory, SinkSetting
from tests.support.settings import settings_of


@implementer(ISink)
class Sink:
    def start(self) -> None: ...

    def deliver(self, batch):
        return succeed(None)

    def stop(self):
        return succeed(None)


@implementer(IPlugin, ISinkFactory)
class Factory:
    name = "sample"
    description = "a sample"

    def __init__(self, *settings: Any, sink: Any = None) -> None:
        self.settings = settings
        self.sink = sink or Sink()
        self.values: dict[str, Any] = {}

    def build(self, settings, center):
        self.values = dict(settings)
        return self.sink


URL = SinkSetting("SAMPLE_URL", "http://localhost", "where")
COUNT = SinkSetting("SAMPLE_COUNT", "3", "how many", parse=int)


def found(monkeypatch: pytest.MonkeyPatch, *factories: Any) -> Installed:
    def get(interface: Any, package: object) -> list[Any]:
        return [each for each in factories if interface.providedBy(each)]

    monkeypatch.setattr(extensions, "getPlugins", get)
    return extensions.discover()


def test_the_built_in_sinks_are_found() -> None:
    assert {"mqtt", "log"} <= set(extensions.discover().sinks)


def test_the_built_in_sources_are_found() -> None:
    installed = extensions.discover()
    assert "mqtt" in installed.sources
    with pytest.raises(ExtensionError, match="SOURCES: no source 'x' is installed; available: .*mqtt"):
        installed.choose(["x"], SOURCE)


def test_sinks_are_chosen_by_name_in_order() -> None:
    installed = Installed({"a": 1, "b": 2, "c": 3}, Catalogue())
    assert installed.choose(["c", "a"]) == [3, 1]
    with pytest.raises(ExtensionError, match="no sink 'd' is installed; available: a, b, c"):
        installed.choose(["a", "d"])


def test_two_of_a_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = found(monkeypatch, Factory(), Factory(), Factory())
    assert "sample" not in installed.sinks
    with pytest.raises(ExtensionError, match="^SINKS: two sink plugins are named 'sample': in tests"):
        installed.choose(["sample"])


def test_one_of_ours_stays_when_another_has_its_name_or_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = extensions.discover().sinks["file"]
    same_name = changed(Factory(), name="file")
    same_setting = changed(Factory(SinkSetting("FILE_PATH", "x", "mine")), name="a-first")
    installed = found(monkeypatch, same_name, same_setting, ours)
    assert installed.choose(["file"]) == [ours]
    assert installed.refused["sink", "file"] == f"sink file of {__name__}: the service has one of this name"
    assert "exist already: FILE_PATH" in installed.refused["sink", "a-first"]


@pytest.mark.parametrize("attribute", ["name", "description", "settings"])
def test_a_factory_that_cannot_be_read_costs_itself_only(
    monkeypatch: pytest.MonkeyPatch, attribute: str
) -> None:
    class Broken(Factory):
        pass

    broken = Broken()
    setattr(Broken, attribute, property(lambda _: 1 // 0, lambda *_: None))
    good = changed(Factory(), name="good")
    installed = found(monkeypatch, broken, good)
    assert installed.choose(["good"]) == [good]
    [fault] = installed.refused.values()
    assert "it cannot be read: ZeroDivisionError" in fault


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        (lambda _: [("ok", "two\nlines")], ("ok", "two lines")),
        (lambda _: 1 / 0, ("error", "sink sample: its check failed: ZeroDivisionError: division by zero")),
        (lambda _: [("fine", "x")], ("error", "sink sample: its check failed: TypeError: ('fine', 'x') is")),
        (lambda _: ["abc"], ("error", "sink sample: its check failed: TypeError: 'abc' is not a level")),
        (lambda _: [None], ("error", "sink sample: its check failed: TypeError: None is not")),
    ],
)
def test_what_a_check_finds_is_a_level_and_a_line(
    tmp_path: Path, findings: Any, said: tuple[str, str]
) -> None:
    factory = changed(Factory(), check=findings)
    settings = extensions.discover().catalogue.load({}, {}, tmp_path / ".env").settings
    [(level, text)] = extensions.check(extensions.SINK, factory, settings)
    assert level == said[0] and text.startswith(said[1])


def test_an_incomplete_factory_is_refused_where_it_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    @implementer(IPlugin, ISinkFactory)
    class Half:
        name = "half"

    installed = found(monkeypatch, Half(), Factory())
    assert installed.choose(["sample"])
    with pytest.raises(ExtensionError, match="^SINKS: sink half is incomplete: .*description"):
        installed.choose(["half"])


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (SinkSetting("WEB_PORT", "1", "mine"), "WEB_PORT"),
        (SinkSetting("SAMPLE_COUNT", "many", "how many", parse=int), "SAMPLE_COUNT='many'"),
    ],
)
def test_a_setting_that_cannot_be_costs_its_sink_only(
    monkeypatch: pytest.MonkeyPatch, setting: SinkSetting, said: str
) -> None:
    installed = found(monkeypatch, Factory(setting))
    assert "SAMPLE_COUNT" not in installed.catalogue.rows
    with pytest.raises(ExtensionError, match=f"^SINKS: sink sample: .*{said}"):
        installed.choose(["sample"])


def changed(factory: Factory, **attributes: Any) -> Factory:
    for name, value in attributes.items():
        setattr(factory, name, value)
    return factory


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        (
            changed(Factory(), name="Sam Ple"),
            "its name is 'Sam Ple': lower-case letters, digits, _ and - are",
        ),
        (changed(Factory(), name=7), "its name is 7"),
        (changed(Factory(), description=None), "its description is None, not a text"),
        (changed(Factory(), settings=None), "its settings are None, not a tuple"),
        (Factory(("SAMPLE_A", "1")), r"its settings hold \('SAMPLE_A', '1'\), not a SinkSetting"),
        (
            Factory(SinkSetting("SAMPLE_A", 5, "how many")),
            "its setting SAMPLE_A: its default is 5, not a text",
        ),  # type: ignore[arg-type]
        (
            Factory(SinkSetting("SAMPLE_A", "a\nb", "two lines")),
            r"its setting SAMPLE_A: its default is 'a\\nb', not a text of one line",
        ),
        (Factory(SinkSetting("sample url", "", "where")), "its setting sample url: as its name, upper-case"),
        (Factory(SinkSetting("SAMPLE_A", "", "where", 7)), "its setting SAMPLE_A: its parse is 7, which"),  # type: ignore[arg-type]
    ],
)
def test_a_factory_with_wrong_attributes_costs_itself_only(
    monkeypatch: pytest.MonkeyPatch, factory: Factory, said: str
) -> None:
    good = changed(Factory(), name="good")
    installed = found(monkeypatch, factory, good)
    assert installed.choose(["good"]) == [good]
    with pytest.raises(ExtensionError, match=f"^SINKS: sink .* of {__name__}: {said}") as refused:
        installed.choose([str(factory.name)])
    assert "\n" not in str(refused.value)


def test_twisted_logs_no_traceback_of_a_module_that_cannot_be_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, expected_errors: list[Failure]
) -> None:
    def get(interface: Any, package: object) -> list[Any]:
        twisted.plugin.log.err(RuntimeError("torn"))  # type: ignore[attr-defined]
        return []

    monkeypatch.setattr(extensions, "getPlugins", get)
    assert extensions.discover().sinks == {}
    assert expected_errors == []


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (
            SinkSetting("SAMPLE_A", "1", "n", int, allowed="a number"),
            "SAMPLE_A='x' .environment.: must be a number",
        ),
        (SinkSetting("SAMPLE_A", "1", "n", lambda text: {"1": 1}[text]), "its parse failed: KeyError: 'x'"),
        (SinkSetting("SAMPLE_A", "1", "n", int, secret=True), r"SAMPLE_A=\*{8} .*: .*'\*{8}'$"),
    ],
)
def test_a_value_that_its_sink_refuses_is_reported_without_secrets(
    monkeypatch: pytest.MonkeyPatch, setting: SinkSetting, said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        built(monkeypatch, Factory(setting), SAMPLE_A="x")


def test_a_module_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "torn_sink.py").write_text("import no_such_module\n")
    monkeypatch.setattr(extensions.plugins, "__path__", [*extensions.plugins.__path__, str(tmp_path)])
    said = "ModuleNotFoundError: No module named 'no_such_module'"
    text = f"bssci.plugins.torn_sink cannot be loaded, line 1: {said}"
    assert extensions.faulty_modules() == [text]
    with pytest.raises(ExtensionError, match=f"no sink 'torn' is installed; available: .*; {text}$"):
        Installed({}, Catalogue()).choose(["torn"])


@pytest.mark.parametrize(
    ("marked", "end", "lack"),
    [
        ("IPlugin, ISinkFactory", "", "has no object at top level"),
        ("ISinkFactory", "sink = F()\n", "is not marked @implementer(IPlugin, ISinkFactory)"),
        ("IPlugin, ISinkFactory", "sink = F()\n", ""),
    ],
)
def test_a_module_whose_factory_is_no_plugin_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, marked: str, end: str, lack: str
) -> None:
    name = f"lacking_{len(marked)}_{len(end)}"
    (tmp_path / f"{name}.py").write_text(
        "from twisted.plugin import IPlugin\nfrom zope.interface import implementer\n"
        f"from bssci.sinks import ISinkFactory\n\n@implementer({marked})\nclass F:\n    pass\n\n{end}"
    )
    monkeypatch.setattr(extensions.plugins, "__path__", [*extensions.plugins.__path__, str(tmp_path)])
    lines = extensions.faulty_modules()
    assert lines == ([f"bssci.plugins.{name} holds no plugin: its class F {lack}"] if lack else [])


def built(monkeypatch: pytest.MonkeyPatch, factory: Factory, **environ: str) -> None:
    installed = found(monkeypatch, factory)
    settings = installed.catalogue.load({}, {"SINKS": "sample", **environ}, Path(os.devnull)).settings
    extensions.build(SINK, factory, settings, None)


def test_its_own_settings_come_with_it_and_others_from_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    factory = Factory(URL, COUNT, "WEB_PORT")
    built(monkeypatch, factory, SAMPLE_COUNT="5", SAMPLE_URL="", WEB_PORT="2000")
    assert factory.values == {"SAMPLE_URL": "http://localhost", "SAMPLE_COUNT": 5, "WEB_PORT": 2000}


@pytest.mark.parametrize(
    ("factory", "environ", "said"),
    [
        (Factory(COUNT), {"SAMPLE_COUNT": "many"}, "SAMPLE_COUNT='many' .environment.: .*many"),
        (Factory("NO_SETTING"), {}, "sink sample: NO_SETTING is not a setting"),
        (
            Factory(sink=SimpleNamespace(stop=lambda: None, deliver=lambda: None)),
            {},
            r"sink sample is incomplete: it lacks start\(\); its class lacks @implementer\(ISink\); "
            r"deliver\(batch\): implementation doesn't allow enough arguments",
        ),
    ],
)
def test_what_is_wrong_is_one_line(
    monkeypatch: pytest.MonkeyPatch, factory: Factory, environ: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        built(monkeypatch, factory, **environ)
    assert "\n" not in str(refused.value)


def test_a_sink_that_breaks_is_named_and_its_traceback_logged(
    monkeypatch: pytest.MonkeyPatch, expected_errors: list[Failure]
) -> None:
    class Broken(Factory):
        def build(self, settings, center):
            raise RuntimeError("two\nlines")

    with pytest.raises(
        ExtensionError, match=r"^sink sample failed: RuntimeError: two lines; see the log for details$"
    ) as refused:
        built(monkeypatch, Broken())
    assert "\n" not in str(refused.value)
    [failure] = expected_errors
    assert failure.check(RuntimeError) and "raise RuntimeError" in failure.getTraceback()
    expected_errors.clear()


def test_a_secret_of_a_sink_is_masked_and_may_come_from_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    factory = Factory(SinkSetting("SAMPLE_KEY", "", "key", secret=True))
    (tmp_path / "key").write_text("s3cret\n")
    built(monkeypatch, factory, SAMPLE_KEY_FILE=str(tmp_path / "key"))
    assert factory.values == {"SAMPLE_KEY": "s3cret"}


class HalfDecoderFactory:
    """A factory of decoders that lacks everything but its name."""

    name = "half"


class DecoderFactory:
    """A factory of decoders, whole unless told otherwise."""

    description = "reads nothing"
    settings: tuple[SinkSetting | str, ...] = ()

    def __init__(self, name: str, decoder: Any = None) -> None:
        self.name = name
        self.decoder = decoder

    def build(self, settings):
        if isinstance(self.decoder, Exception):
            raise self.decoder
        return CayenneDecoder() if self.decoder is None else self.decoder


@implementer(IDecoder)
class Labelled:
    """A decoder with a name and version that may be wrong."""

    def __init__(self, name: str, version: Any) -> None:
        self.name, self.version = name, version

    def matches(self, payload):
        return False

    def decode(self, payload, parameters):
        return []


def test_the_built_in_decoders_are_found() -> None:
    decoders, problems = extensions.build_decoders(settings_of())
    assert {"cayenne", "ruuvi", "bthome", "mbus"} <= {decoder.name for decoder in decoders}
    assert problems == []


def test_a_decoder_that_cannot_be_used_costs_itself_only(
    monkeypatch: pytest.MonkeyPatch, expected_errors: list[Failure]
) -> None:
    factories = (
        HalfDecoderFactory(),
        DecoderFactory("missing", ValueError("pip install 'bssci[mbus]'")),
        DecoderFactory("broken", RuntimeError("oh")),
        DecoderFactory("no decoder", 7),
        DecoderFactory("number", Labelled("number", 2)),
        DecoderFactory("spaces", Labelled("two words", "1")),
        DecoderFactory("good"),
        DecoderFactory("again"),
    )
    for factory in factories:
        directlyProvides(factory, IDecoderFactory)
    monkeypatch.setattr(extensions, "getPlugins", lambda interface, package: iter(factories))
    decoders, problems = extensions.build_decoders(settings_of())
    assert [decoder.name for decoder in decoders] == ["cayenne"]
    assert [problem.split(":")[0] for problem in problems] == [
        "decoder half is incomplete",
        "decoder missing",
        "decoder broken failed",
        "decoder no decoder is incomplete",
        "decoder number",
        "decoder spaces",
        "decoder again",
    ]
    assert problems[2] == "decoder broken failed: RuntimeError: oh; see the log for details"
    assert problems[4] == "decoder number: its version is 2, not a text such as '1'"
    assert "its name is 'two words'" in problems[5]
    assert problems[6].endswith(f"two have this name; that of {__name__} gives way to {__name__}")
    assert "pip install 'bssci[mbus]'" in problems[1]
    assert all("\n" not in problem for problem in problems)
    assert len(expected_errors) == 1
    expected_errors.clear()


def test_every_setting_of_ours_says_what_is_allowed() -> None:
    rows = extensions.discover().catalogue.rows
    # The errors of rules say what is wrong with which rule.
    silent = {name for name, row in rows.items() if not row.parser.allowed and not name.endswith("_RULES")}
    assert silent == set()
