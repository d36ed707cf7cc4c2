from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from bssci.sinks.interfaces import ISinkFactory
from bssci.sinks.postgres import plugin
from bssci.sinks.postgres.plugin import MISSING, PostgresSinkFactory

VALUES = {each.name: each.parse(each.default) for each in PostgresSinkFactory.settings}
CENTER: Any = SimpleNamespace(sensor=lambda eui: None, now=lambda: 0.0)


def test_it_is_a_factory() -> None:
    assert verifyObject(ISinkFactory, PostgresSinkFactory(object))


def test_without_the_driver_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install"):
        PostgresSinkFactory(object).build(VALUES, CENTER)
    assert list(PostgresSinkFactory(object).check(VALUES)) == [("error", MISSING)]


def test_a_driver_that_does_not_work_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setattr(plugin, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "psycopg", None)
    ((level, text),) = PostgresSinkFactory(object).check(VALUES)
    assert level == "error" and text.startswith("psycopg does not work")
