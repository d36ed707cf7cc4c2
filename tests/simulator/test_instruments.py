"""Payloads of simulated instruments, as the blueprints in ``decoders/`` read them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bssci.decoders.interfaces import Payload
from bssci.decoders.library import build_library
from bssci.simulator.instruments import DAY, HOUR, INSTALLED, Instrument, instrument_for

ROOT = Path(__file__).parents[2]
METER, CLIMATE, LEAK = (f"02B55C10{number:08X}" for number in (1, 2, 3))
NOW = INSTALLED + 200 * DAY
EUI = 0xCAFE5E0000000001


@cache
def decoders() -> dict[str, Any]:
    texts = {path.name: path.read_text() for path in (ROOT / "decoders").glob("*.json")}
    return {decoder.type_eui: decoder for decoder in build_library(texts).decoders.values()}


def values(type_eui: str, at: float, eui: int = EUI) -> dict[str, Any]:
    instrument = instrument_for(type_eui, eui)
    assert instrument is not None
    form, data = instrument(at)
    payload = Payload(data=data, kind="uplink", device="", received_at=at, format=form)
    return {reading.name: reading.value for reading in decoders()[type_eui].decode(payload, {})}


@pytest.mark.parametrize("type_eui", [METER, CLIMATE, LEAK])
@pytest.mark.parametrize("eui", range(EUI, EUI + 10))
def test_every_payload_is_read_at_any_time(type_eui: str, eui: int) -> None:
    for step in range(100):
        assert values(type_eui, NOW + step * 5 * HOUR, eui)


def test_a_meter_never_counts_back_and_counts_what_flows() -> None:
    volumes = [values(METER, NOW + minute * 60)["volume"] for minute in range(0, 3 * 1440, 10)]
    assert volumes == sorted(volumes) and 0.1 < volumes[-1] - volumes[0] < 1.5
    assert values(METER, NOW + 7.2 * HOUR)["flow"] > 4 * values(METER, NOW + 3 * HOUR)["flow"]
    assert values(METER, NOW)["volume"] != values(METER, NOW, EUI + 1)["volume"]


def test_a_room_is_warmer_in_the_afternoon_and_has_more_co2_while_people_are_there() -> None:
    night, day = values(CLIMATE, NOW + 3 * HOUR), values(CLIMATE, NOW + 14 * HOUR)
    assert 14 < night["temperature"] < day["temperature"] < 28
    assert 380 < night["co2"] < 480 and 600 < day["co2"] < 1100
    assert 960 < day["pressure"] < 1060 and 20 <= day["humidity"] <= 95
    assert ("illuminance" in day) is (EUI % 2 == 0) and "illuminance" in values(CLIMATE, NOW, EUI + 1)


def test_a_leak_comes_lasts_some_minutes_and_goes() -> None:
    wet = [values(LEAK, NOW + minute * 60)["leak"] for minute in range(1440)]
    assert 5 < sum(wet) < 120
    assert sum(now and not before for before, now in zip(wet, wet[1:], strict=False)) in range(2, 6)


def test_other_types_have_no_instrument() -> None:
    none: Instrument | None = instrument_for("", EUI)
    assert none is None
