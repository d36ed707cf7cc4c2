from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.plugin import IPlugin
from zope.interface import implementer

from bssci import extensions
from bssci.cli import findings
from bssci.cli.absent_center import AbsentCenter
from bssci.extensions import SINK, SOURCE, ExtensionKind, discover
from bssci.sinks import ISinkFactory, SinkSetting
from bssci.sinks.log import LogSink


@implementer(IPlugin, ISinkFactory)
class Factory:
    name = "sample"
    description = "a sample"
    settings = (SinkSetting("SAMPLE_URL", "", "where"),)

    def __init__(self, product: Any) -> None:
        self.product = product

    def build(self, settings: Any, center: Any) -> Any:
        assert center.station_states() == []
        return self.product

    def check(self, settings: Any) -> list[tuple[str, str]]:
        return [("warning", f"nobody answers at {settings['SAMPLE_URL']!r}")]


def said(monkeypatch: pytest.MonkeyPatch, product: Any, running: bool = False) -> list[tuple[str, str]]:
    factory = Factory(product)
    monkeypatch.setattr(extensions, "getPlugins", lambda interface, package: iter([factory]))
    chosen = discover().catalogue.load({}, {"SAMPLE_URL": "x"}, Path(os.devnull)).settings
    return [tuple(each) for each in findings.about(SINK, factory, chosen, running)]


def test_a_whole_sink_is_built_and_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, LogSink()) == [("warning", "nobody answers at 'x'")]


def test_an_incomplete_sink_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    _, (level, message) = said(monkeypatch, SimpleNamespace(start=lambda: None))
    assert level == "error" and message.startswith("sink sample is incomplete: ")


INSTALLED = discover()


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in (SINK, SOURCE) for name in INSTALLED.of(kind)]
)
def test_everything_can_be_built_while_the_service_is_away(kind: ExtensionKind, name: str) -> None:
    if name == "kafka":
        pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install bssci[kafka]")
    environ = {kind.setting: name, "WEBHOOK_URL": "https://example.org/"}
    chosen = INSTALLED.catalogue.load({}, environ, Path(os.devnull)).settings
    extensions.build(kind, INSTALLED.of(kind)[name], chosen, AbsentCenter())


def test_what_was_tried_is_not_built_beside_the_running_service(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, None, running=True) == [("warning", "nobody answers at 'x'")]


def test_what_cannot_be_built_beside_the_running_service_is_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(Factory, "check")
    assert said(monkeypatch, LogSink(), running=True) == [("ok", "sink sample: can be built")]
    [(level, message)] = said(monkeypatch, None, running=True)
    assert level == "warning" and message.endswith(" (or the running service holds what it needs)")
