"""Which sinks there are, what they want to know, and what is said about wrong ones."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import succeed
from twisted.plugin import IPlugin
from twisted.python.failure import Failure
from zope.interface import directlyProvides, implementer

from bssci import extensions as discovery
from bssci.decoders.cayenne import CayenneDecoder
from bssci.decoders.interfaces import IDecoderFactory
from bssci.extensions import SinkError
from bssci.settings.table import load
from bssci.sinks import ISink, ISinkFactory, SinkSetting


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


SETTINGS, _, _ = load({"mqtt-port": "2000"}, {}, Path(os.devnull))
URL = SinkSetting("SAMPLE_URL", "http://localhost", "where")
COUNT = SinkSetting("SAMPLE_COUNT", "3", "how many", parse=int)


def found(monkeypatch: pytest.MonkeyPatch, *factories: Any) -> dict[str, Any]:
    monkeypatch.setattr(discovery, "getPlugins", lambda interface, package: iter(factories))
    return discovery.discover()


def test_the_built_in_sinks_are_found() -> None:
    assert {"mqtt", "log"} <= set(discovery.discover())


def test_sinks_are_chosen_by_name_in_order() -> None:
    factories = {"a": 1, "b": 2, "c": 3}
    assert discovery.choose(factories, ["c", "a"]) == [3, 1]
    with pytest.raises(SinkError, match="no sink 'd' is installed; there are: a, b, c"):
        discovery.choose(factories, ["a", "d"])


def test_two_of_a_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SinkError, match="two sink plugins are named 'sample'"):
        found(monkeypatch, Factory(), Factory())


def test_an_incomplete_factory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    @implementer(IPlugin, ISinkFactory)
    class Half:
        name = "half"

    with pytest.raises(SinkError, match="incomplete"):
        found(monkeypatch, Half())


def test_a_setting_that_is_there_already_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SinkError, match="MQTT_PORT"):
        found(monkeypatch, Factory(SinkSetting("MQTT_PORT", "1", "mine")))


def test_own_settings_come_from_texts_or_defaults_and_others_from_the_service() -> None:
    factory = Factory(URL, COUNT, "MQTT_PORT")
    discovery.build(factory, SETTINGS, {"SAMPLE_COUNT": "5", "SAMPLE_URL": ""}, None)
    assert factory.values == {"SAMPLE_URL": "http://localhost", "SAMPLE_COUNT": 5, "MQTT_PORT": 2000}
    assert discovery.own_settings([factory]) == [URL, COUNT]


@pytest.mark.parametrize(
    ("factory", "texts", "said"),
    [
        (Factory(COUNT), {"SAMPLE_COUNT": "many"}, "sink sample: SAMPLE_COUNT: .*many"),
        (Factory("NO_SETTING"), {}, "sink sample: NO_SETTING is no setting"),
        (Factory(sink=SimpleNamespace()), {}, "sink sample is incomplete"),
    ],
)
def test_what_is_wrong_is_one_line(factory: Factory, texts: dict[str, str], said: str) -> None:
    with pytest.raises(SinkError, match=said) as refused:
        discovery.build(factory, SETTINGS, texts, None)
    assert "\n" not in str(refused.value)


def test_a_sink_that_breaks_is_named_and_its_traceback_logged(expected_errors: list[Failure]) -> None:
    class Broken(Factory):
        def build(self, settings, center):
            raise RuntimeError("two\nlines")

    with pytest.raises(
        SinkError, match=r"^sink sample failed: RuntimeError: two lines; the log says where$"
    ) as refused:
        discovery.build(Broken(), SETTINGS, {}, None)
    assert "\n" not in str(refused.value)
    [failure] = expected_errors
    assert failure.check(RuntimeError) and "raise RuntimeError" in failure.getTraceback()
    expected_errors.clear()


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


def test_the_built_in_decoders_are_found() -> None:
    decoders, problems = discovery.build_decoders(SETTINGS, {})
    assert {"cayenne", "ruuvi", "bthome", "mbus"} <= {decoder.name for decoder in decoders}
    assert problems == []


def test_a_decoder_that_cannot_be_used_costs_itself_only(
    monkeypatch: pytest.MonkeyPatch, expected_errors: list[Failure]
) -> None:
    factories = (
        SimpleNamespace(name="half"),
        DecoderFactory("missing", ValueError("pip install 'bssci[mbus]'")),
        DecoderFactory("broken", RuntimeError("oh")),
        DecoderFactory("no decoder", 7),
        DecoderFactory("good"),
        DecoderFactory("again"),
    )
    for factory in factories:
        directlyProvides(factory, IDecoderFactory)
    monkeypatch.setattr(discovery, "getPlugins", lambda interface, package: iter(factories))
    decoders, problems = discovery.build_decoders(SETTINGS, {})
    assert [decoder.name for decoder in decoders] == ["cayenne"]
    assert [problem.split(":")[0] for problem in problems] == [
        "decoder half is incomplete",
        "decoder missing",
        "decoder broken failed",
        "decoder no decoder is incomplete",
        "decoder again",
    ]
    assert "pip install 'bssci[mbus]'" in problems[1]
    assert all("\n" not in problem for problem in problems)
    assert len(expected_errors) == 1
    expected_errors.clear()
