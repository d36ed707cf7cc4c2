"""What the sinks report of themselves, put together."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from bssci.center.deliveries import Deliveries


class Delivery:
    """A sink's delivery that stands where a test puts it."""

    def __init__(self, name: str, cursor: int) -> None:
        self.name, self.cursor = name, cursor

    def figures(self) -> dict[str, Any]:
        return {"delivered": self.cursor}

    def is_delivering(self) -> bool:
        return self.cursor > 5

    def taken(self) -> list[tuple[int, float]]:
        return [(self.cursor, 1.0)]

    def requests(self) -> dict[str, Any] | None:
        return {"queued": 1} if self.name == "mqtt" else None


def deliveries(*all_of_them: Delivery) -> Deliveries:
    journal: Any = SimpleNamespace(events=SimpleNamespace(last_seq=9))
    made = Deliveries(journal)
    for each in all_of_them:
        made.add(each)
    return made


def test_each_sink_is_told_by_its_name() -> None:
    made = deliveries(Delivery("log", 7), Delivery("mqtt", 3))
    assert made.statistics() == {"log": {"delivered": 7}, "mqtt": {"delivered": 3}}
    assert made.delivering() == {"log": True, "mqtt": False}
    assert made.taken() == {"log": [(7, 1.0)], "mqtt": [(3, 1.0)]}
    assert made.requests() == {"mqtt": {"queued": 1}}


def test_delivered_is_what_the_slowest_sink_has_taken() -> None:
    assert deliveries(Delivery("log", 7), Delivery("mqtt", 3)).delivered_seq() == 3


def test_without_a_sink_everything_is_delivered() -> None:
    assert deliveries().delivered_seq() == 9
