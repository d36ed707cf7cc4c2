from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from bssci.model import Decoded, Reading, Telegram
from bssci.sinks.postgres.rows import EventRows
from bssci.sinks.postgres.telegrams import telegram_rows
from bssci.sinks.testing_events import AT

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def rows_of(id: str = "ble:AA", readings: tuple[Reading, ...] = (), **envelope: Any) -> EventRows:
    event = Telegram(
        at=AT, id="t1", device=id, gateway="roof", source="mqtt", payload=b"\x01", envelope=envelope,
        decoded=Decoded(decoder="meter@1", readings=readings),
    )  # fmt: skip
    rows = EventRows(event, "t1", NOW)
    telegram_rows(event, rows)
    return rows


@pytest.mark.parametrize(
    ("device", "place"),
    [("f2:0011/J1/3", ("f2:0011", "J1/3")), ("ble:AA", (None, None)), ("f2:0011/", (None, None))],
)
def test_a_device_at_a_controller_has_a_parent_and_a_port(
    device: str, place: tuple[str | None, str | None]
) -> None:
    (facts,) = rows_of(device).devices
    assert (facts.parent, facts.port) == place


@pytest.mark.parametrize(
    ("value", "number", "text"),
    [(1.5, 1.5, None), (True, 1.0, "true"), ("open", None, "open"), (2**53 + 1, 2.0**53, str(2**53 + 1))],
)
def test_a_reading_is_a_number_and_text_where_a_number_is_not_all(
    value: float | str | bool, number: float | None, text: str | None
) -> None:
    (row,) = rows_of(readings=(Reading("x", value),)).readings
    assert (row.value, row.text) == (number, text)


@pytest.mark.parametrize(
    ("device", "kind"),
    [
        ("ble:AA", "scanner"),
        ("scanner:roof", "scanner"),
        ("f2:0011/J1/3", "controller"),
        ("lora:1", "gateway"),
    ],
)
def test_a_gateway_has_the_kind_that_the_api_gives_it(device: str, kind: str) -> None:
    (facts,) = rows_of(device).gateways
    assert (facts.id, facts.kind) == ("roof", kind)


def test_a_reading_of_another_device_makes_it_known() -> None:
    rows = rows_of("f2:0011", (Reading("x", 1, device="f2:0011/J1"), Reading("y", 2, device="f2:0011/J1")))
    assert [each.id for each in rows.devices] == ["f2:0011", "f2:0011/J1"]
    assert {row.device for row in rows.readings} == {"f2:0011/J1"}


def test_a_reading_that_cannot_be_stored_is_set_aside_and_the_others_stay() -> None:
    rows = rows_of(readings=(Reading("bad", 10**400), Reading("good", 1)))
    assert [row.name for row in rows.readings] == ["good"]
    assert len(rows.asides) == 1 and "bad" in rows.asides[0].reason
    assert len(rows.raw) == 1


def test_a_nul_in_a_text_costs_that_character() -> None:
    rows = rows_of(
        readings=(Reading("state", "on\0", "x\0"),), topic="a/\0", values=[["state", "on\0", None]]
    )
    assert rows.texts.altered and not rows.asides
    (reading,) = rows.readings
    assert (reading.text, reading.unit, reading.topic) == ("on\ufffd", "x\ufffd", "a/\ufffd")
    (raw,) = rows.raw
    assert json.loads(raw.payload)["envelope"]["values"] == [["state", "on\ufffd", None]]


def test_a_name_and_a_topic_come_from_the_envelope() -> None:
    rows = rows_of(readings=(Reading("x", 1),), topic="bt/raw", device={"name": "cellar"})
    assert rows.devices[0].name == "cellar"
    assert rows.readings[0].topic == "bt/raw"


def test_a_gateways_report_about_itself_is_its_state() -> None:
    (gateway,) = rows_of("scanner:roof", status="online").gateways
    assert (gateway.state, gateway.kind) == ("online", "scanner")
    for device in ("ble:AA", "ble:roof"):
        (gateway,) = rows_of(device, status="online").gateways
        assert (gateway.state, gateway.kind) == (None, "scanner")
