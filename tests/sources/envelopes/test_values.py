"""Parts that all forms of messages have."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest

from bssci.sources.envelopes.values import (
    LONGEST_REPAIRED,
    MAX_PARTS,
    BadMessage,
    Incoming,
    message_id,
    message_json,
    read_time,
)
from tests.support.telegrams import AT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2023-11-14T22:13:20Z", AT),
        ("2023-11-14T23:13:20.500+01:00", AT + 0.5),
        ("2023-11-14 22:13:20.000000", AT),
        (AT, AT),
        (AT * 1000, AT),
        (None, None),
        (True, None),
        (-5, None),
        (1e300, None),
        (10**400, None),
        ("", None),
        ("0001-01-01T00:00:00+14:00", None),
        ([], None),
    ],
)
def test_times_in_every_spelling(value: object, seconds: float | None) -> None:
    assert read_time(value, AT, lambda remark: None) == seconds


def test_only_a_time_that_is_there_and_wrong_is_remarked() -> None:
    remarks: list[str] = []
    assert read_time(None, AT, remarks.append) is None and remarks == []
    assert read_time("noon", AT, remarks.append) is None and remarks == ["a time that cannot be read"]


def test_a_time_without_zone_is_of_the_zone_that_is_set() -> None:
    remarks: list[str] = []
    zone = timezone(timedelta(hours=1))
    assert read_time("2023-11-14 23:13:20", AT, remarks.append, zone) == AT
    assert remarks == ["a time without zone"]


def test_equal_messages_are_told_apart_by_their_delivery_only_where_that_is_needed() -> None:
    one, other = (Incoming("t", b"{}", AT, "mqtt", delivery) for delivery in ("1", "2"))
    assert message_id(one) != message_id(other)
    assert message_id(one, {"at": 1}) == message_id(other, {"at": 1}) != message_id(one, {"at": 2})
    assert message_id(one, {}) != message_id(one._replace(topic="u"), {})


@pytest.mark.parametrize("part", [b"[]", b"{}"])
def test_a_message_of_thousands_of_empty_lists_is_not_read(part: bytes) -> None:
    fitting = b"[" + b",".join([part] * (MAX_PARTS - 1)) + b"]"
    assert len(message_json(fitting, pytest.fail)) == MAX_PARTS - 1
    with pytest.raises(BadMessage, match="lists and objects"):
        message_json(fitting[:-1] + b"," + part + b"]", pytest.fail)


def test_an_odd_value_in_a_message_is_repaired_with_a_remark() -> None:
    remarks: list[str] = []
    assert message_json(b'{"temperature": nan, "humidity": 40}', remarks.append) == {
        "temperature": None, "humidity": 40,
    }  # fmt: skip
    assert remarks == ["temperature is no finite number, and kept as null"]


def test_a_large_message_is_not_repaired() -> None:
    text = b'{"a": nan, "b": "%s"}' % (b"x" * LONGEST_REPAIRED)
    with pytest.raises(BadMessage, match="^not JSON$"):
        message_json(text, pytest.fail)
