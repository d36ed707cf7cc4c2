"""Which receptions are copies of a recorded uplink."""

from __future__ import annotations

import msgspec
import pytest

from bssci.center.uplinks.copies import LATE_ARRIVAL, LATE_RX_TIME, SAME_RX_TIME, best_first, late_copies
from bssci.model import EUI, Reception, Uplink
from tests.support.journal import OTHER_STATION, SENSOR, STATION, reception

ATTACHED = 100.0


def heard(at: float, station: EUI = STATION, rx_time: int = 0, snr: float = 0.0) -> Reception:
    return msgspec.structs.replace(
        reception(5, SENSOR, station), received_at=at, rx_time=rx_time, snr=snr, base_station_eui=station
    )


def recorded(*receptions: Reception) -> Uplink:
    return Uplink(at=0.0, id="", known=True, receptions=list(receptions), duplicates=0)


@pytest.mark.parametrize(
    ("copy", "is_copy"),
    [
        (heard(LATE_ARRIVAL, rx_time=2 * LATE_RX_TIME), True),
        (heard(LATE_ARRIVAL + 1, rx_time=LATE_RX_TIME), True),
        (heard(LATE_ARRIVAL + 1, rx_time=LATE_RX_TIME + 1), False),
    ],
    ids=["arrived soon", "received soon", "neither"],
)
def test_a_copy_arrives_or_was_received_soon(copy: Reception, is_copy: bool) -> None:
    assert late_copies([copy], recorded(heard(0.0)), began=0.0) == [copy][:is_copy]


@pytest.mark.parametrize(
    ("copy", "is_copy"),
    [
        (heard(ATTACHED, OTHER_STATION, SAME_RX_TIME), True),
        (heard(ATTACHED, OTHER_STATION, SAME_RX_TIME + 1), False),
        (heard(ATTACHED, STATION, 0), False),
        (heard(ATTACHED - 1, OTHER_STATION, SAME_RX_TIME + 1), True),
    ],
    ids=["received together", "received later", "a clock that stands still", "came before"],
)
def test_what_comes_after_the_counter_was_reset_is_a_copy_if_two_stations_agree(
    copy: Reception, is_copy: bool
) -> None:
    assert late_copies([copy], recorded(heard(0.0)), ATTACHED) == [copy][:is_copy]


def test_each_reception_after_the_reset_is_judged_alone() -> None:
    copy, anew = heard(ATTACHED, OTHER_STATION), heard(ATTACHED, rx_time=SAME_RX_TIME + 1)
    assert late_copies([copy, anew], recorded(heard(0.0)), ATTACHED) == [copy]


def test_the_best_reception_of_each_station_stays_the_best_first() -> None:
    poor, good, other = heard(0.0, snr=1.0), heard(0.0, snr=3.0), heard(0.0, OTHER_STATION, snr=2.0)
    assert best_first([poor, other, good]) == [good, other]
