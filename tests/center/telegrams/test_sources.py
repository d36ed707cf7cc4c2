"""Every source has a door of its own, and is told of."""

from __future__ import annotations

from types import SimpleNamespace

from tests.support.center import House
from tests.support.telegrams import telegram


def test_sources_are_counted_apart(house: House) -> None:
    sources = house.center.sources
    for name, trouble in (("mqtt", ""), ("other", "away")):
        sources.add(SimpleNamespace(name=name, trouble=trouble, can_send=name == "mqtt"))
    assert [sources.can_send(name) for name in ("mqtt", "other", "none")] == [True, False, False]
    sources.door("mqtt")([telegram(1)])
    house.settle()
    said = sources.statistics()
    assert (said["mqtt"]["kept"], said["other"]["kept"]) == (1, 0)
    assert (said["mqtt"]["trouble"], said["other"]["trouble"]) == ("", "away")
    assert house.center.telegrams == 1
    assert sources.door("mqtt") is sources.door("mqtt")
    sources.close()
    assert sources.door("mqtt")([]).addErrback(lambda failure: None).called
