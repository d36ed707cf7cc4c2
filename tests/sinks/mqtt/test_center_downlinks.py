"""Downlinks of software for an application center, in each form that they may have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bssci.sinks.mqtt.center_downlinks import as_request


@pytest.mark.parametrize(
    ("told", "request_body"),
    [
        ({"data": [1, 2], "format": 3, "prio": 1.5}, {"data": [1, 2], "format": 3, "prio": 1.5}),
        ({"data": [[1, 2]], "cntDepend": False, "cnt": []}, {"data": [1, 2]}),
        ({"data": [[1, 2]], "cntDepend": False, "packetCnt": [4]}, {"data": [1, 2]}),
        ({"userData": [[1], [2]], "packetCnt": [4, 5]}, {"data": [[1], [2]], "cnt": [4, 5]}),
        ({"data": [1, 2], "cnt": 7, "cntDepend": True}, {"data": [[1, 2]], "cnt": [7]}),
        ({"data": ["0102"], "cnt": 7}, {"data": ["0102"], "cnt": [7]}),
        ({"data": "0102", "responseExp": True, "queId": 4}, {"data": "0102", "responseExp": True}),
        ({"data": [], "ref": "r"}, {"data": [], "ref": "r"}),
        ({"revoke": 7}, {"revoke": 7}),
        # What cannot be meant is left for the reader of requests, who says what is wrong.
        ({"data": [[1], [2]]}, {"data": [[1], [2]]}),
        ({"data": 5, "cnt": "x"}, {"data": 5, "cnt": "x"}),
    ],
)
def test_every_form_becomes_a_request(told: dict[str, Any], request_body: dict[str, Any]) -> None:
    assert json.loads(as_request(json.dumps(told).encode())) == request_body


@pytest.mark.parametrize("payload", [b"", b"{", b"[1]", b"\xff", b'"x"'])
def test_what_is_no_object_stays_as_it_is(payload: bytes) -> None:
    assert as_request(payload) == payload
