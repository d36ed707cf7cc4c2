"""Downlinks as JSON objects."""

from __future__ import annotations

from typing import Any

import pytest

from bssci.center.downlinks.request_json import downlink_request, reference
from bssci.model import EUI, DownlinkRequest
from bssci.model.commands import CommandError

SENSOR = EUI("70B3D56770110001")


@pytest.mark.parametrize(
    ("request_", "attributes"),
    [
        ({"data": [0, 255]}, {"data": (b"\0\xff",)}),
        ({"data": "00 fF"}, {"data": (b"\0\xff",)}),
        ({"data": {"base64": "AP8="}}, {"data": (b"\0\xff",)}),
        ({"data": []}, {"data": ()}),
        ({"data": ""}, {"data": ()}),
        ({"data": [1] * 200}, {"data": (b"\1" * 200,)}),
        ({"data": [[1], "02"], "cnt": [5, 6]}, {"data": (b"\1", b"\2"), "packet_counters": (5, 6)}),
        (
            {
                "data": [1],
                "format": 192,
                "prio": 2,
                "expires_in": 60,
                "responseExp": True,
                "responsePrio": True,
                "dlWindReq": True,
                "expOnly": True,
                "ref": "r",
            },
            {
                "data": (b"\1",),
                "format": 192,
                "priority": 2,
                "expires_in": 60,
                "response_expected": True,
                "response_priority": True,
                "downlink_window_request": True,
                "expect_only": True,
                "ref": "r",
            },
        ),
        ({"data": [1], "prio": None, "cnt": None}, {"data": (b"\1",)}),
    ],
)
def test_what_is_asked_for(request_: dict[str, Any], attributes: dict[str, Any]) -> None:
    assert downlink_request(SENSOR, request_) == DownlinkRequest(end_point_eui=SENSOR, **attributes)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({}, "data"),
        ({"data": [1], "prio": 10**400}, "prio"),
        ({"data": [1], "expires_in": 10**400}, "expires_in"),
        ({"data": None}, "data"),
        ({"data": 5}, "data"),
        ({"data": [True]}, "data"),
        ({"data": {"base64": 1}}, "data"),
        ({"data": "0"}, "data"),
        ({"data": [1] * 201}, "data"),
        ({"data": [1], "cnt": [1]}, "data"),
        ({"data": [[1], [2]], "cnt": [1]}, "data"),
        ({"data": [[1]], "cnt": 1}, "cnt"),
        ({"data": [[1]], "cnt": [1 << 32]}, "cnt"),
        ({"data": [[1], [1]], "cnt": [1, 1]}, "cnt"),
        ({"data": [1], "prio": float("inf")}, "prio"),
        ({"data": [1], "prio": True}, "prio"),
        ({"data": [1], "expOnly": "yes"}, "expOnly"),
        ({"data": [1], "expires_in": 0}, "expires_in"),
        ({"data": [1], "ref": 1.5}, "ref"),
        ({"data": [1], "x" * 50: 1}, "x" * 40),
    ],
)
def test_what_cannot_be_is_named_as_it_was_asked(request_: dict[str, Any], field: str) -> None:
    with pytest.raises(CommandError) as raised:
        downlink_request(SENSOR, request_)
    assert (raised.value.code, raised.value.field) == ("invalid", field)
    assert field in raised.value.message


def test_every_field_at_fault_is_named_at_once() -> None:
    wrong = {"data": "0", "format": 256, "prio": "x", "expOnly": 1, "expires_in": -1, "ref": [], "what": 1}
    with pytest.raises(CommandError) as raised:
        downlink_request(SENSOR, wrong | dict.fromkeys(map(str, range(5000)), 1))
    assert raised.value.faults.keys() - {"what"} >= wrong.keys() - {"what"}
    assert len(raised.value.faults) == len(wrong)
    assert raised.value.field in raised.value.faults
    with pytest.raises(CommandError) as raised:
        downlink_request(SENSOR, {"data": [[1], [2]], "cnt": "1", "format": -1})
    assert raised.value.faults == {
        "cnt": "must be a list of packet counters",
        "format": "must be a whole number from 0 to 255",
    }


@pytest.mark.parametrize(("data", "cnt"), [([1], [1, 2]), ([[1], [2]], [1]), ([], [1])])
def test_counters_and_data_of_different_number_are_told_by_their_numbers(data: list, cnt: list) -> None:
    with pytest.raises(CommandError) as raised:
        downlink_request(SENSOR, {"data": data, "cnt": cnt})
    assert raised.value.field == "data"
    assert raised.value.message == (
        f"data must have one entry for each cnt: {len(data)} of data, {len(cnt)} of cnt"
    )


@pytest.mark.parametrize("ref", [None, "", "x" * 200, 0, -(1 << 63) + 1, (1 << 63) - 1])
def test_a_reference_is_a_short_text_or_a_number_of_64_bits(ref: str | int | None) -> None:
    assert reference({"ref": ref}) == ref
