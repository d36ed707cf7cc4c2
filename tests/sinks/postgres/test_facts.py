from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bssci.sinks.postgres.facts import devices_of, gateways_of
from bssci.sinks.postgres.rows import DeviceFacts, EventRows, GatewayFacts, RawRow

T0 = datetime(2026, 1, 1, tzinfo=UTC)
DEVICE = "mioty:70B3D56770110001"


def unit(second: int, **parts: object) -> EventRows:
    """The rows of an event that stores one telegram of the device."""
    at = T0 + timedelta(seconds=second)
    raw = [RawRow(at, f"u{second}", DEVICE, "roof", "bssci", "{}", b"")]
    return EventRows(None, f"u{second}", at, **{"raw": raw} | parts)  # type: ignore[arg-type]


def test_a_device_is_one_row_with_the_newest_news_and_a_count() -> None:
    units = [
        unit(2, devices=[DeviceFacts(DEVICE, "mioty", T0 + timedelta(seconds=2), name="attic", model="M1")]),
        unit(1, devices=[DeviceFacts(DEVICE, "mioty", T0 + timedelta(seconds=1), name="cellar")]),
    ]
    (row,) = devices_of(units, ())
    assert row[:4] == (DEVICE, "mioty", "cellar", "M1")
    assert row[-3:] == (T0 + timedelta(seconds=1), T0 + timedelta(seconds=2), 2)


def test_what_was_stored_before_is_not_counted_again() -> None:
    one = unit(1, devices=[DeviceFacts(DEVICE, "mioty", T0)])
    (row,) = devices_of([one, one], {(T0 + timedelta(seconds=1), "u1")})
    assert row[-1] == 0


def test_rows_come_in_the_order_of_ids_so_that_two_writers_cannot_wait_for_each_other() -> None:
    units = [unit(1, devices=[DeviceFacts(each, "mioty", T0) for each in "bca"])]
    assert [row[0] for row in devices_of(units, ())] == ["a", "b", "c"]


def test_the_newest_state_of_a_gateway_counts_whatever_comes_last() -> None:
    def told(second: int, state: str | None) -> EventRows:
        at = T0 + timedelta(seconds=second)
        return unit(second, gateways=[GatewayFacts("roof", "station", at, state=state)])

    (row,) = gateways_of([told(2, "online"), told(1, "offline"), told(3, None)])
    assert row[4:7] == ("online", T0 + timedelta(seconds=2), T0 + timedelta(seconds=3))


def test_a_station_that_only_heard_is_a_gateway_too() -> None:
    (row,) = gateways_of([unit(1, stations=["CAFE000000000001"]), unit(5, stations=["CAFE000000000001"])])
    assert (row[0], row[1], row[6]) == ("CAFE000000000001", "station", T0 + timedelta(seconds=5))
