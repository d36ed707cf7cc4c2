"""What a downlink may be: everything else is refused, by the name of its field."""

from __future__ import annotations

from typing import Any

import pytest

from bssci.model import DownlinkRequest
from bssci.model.commands import CommandError
from tests.center.downlinks.gateway import ONE_WAY_SENSOR, SENSOR, DownlinkHouse
from tests.support.cases import case
from tests.support.center import result_of

BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"end_point_eui": "0" * 16}, "unknown_sensor", "eui"),
    ({"end_point_eui": ONE_WAY_SENSOR}, "not_bidirectional", "eui"),
    ({"data": (bytes(201),)}, "invalid", "data"),
    ({"data": ("text",)}, "invalid", "data"),
    ({"data": (b"a", b"b")}, "invalid", "data"),
    ({"data": (b"a",), "packet_counters": (1, 2)}, "invalid", "data"),
    ({"data": (b"a", b""), "packet_counters": (1, 2)}, "invalid", "data"),
    ({"data": (b"a", b"b"), "packet_counters": (1, 1)}, "invalid", "packet_counters"),
    ({"data": (), "packet_counters": ()}, "invalid", "packet_counters"),
    ({"packet_counters": (-1,)}, "invalid", "packet_counters"),
    ({"packet_counters": (1 << 32,)}, "invalid", "packet_counters"),
    ({"packet_counters": ("1",)}, "invalid", "packet_counters"),
    ({"expires_in": 0}, "invalid", "expires_in"),
    ({"expires_in": -5.0}, "invalid", "expires_in"),
    ({"expires_in": float("inf")}, "invalid", "expires_in"),
    ({"expires_in": "5"}, "invalid", "expires_in"),
    ({"format": 256}, "invalid", "format"),
    ({"format": "1"}, "invalid", "format"),
    ({"priority": float("nan")}, "invalid", "priority"),
    ({"priority": 1e39}, "invalid", "priority"),
    ({"priority": True}, "invalid", "priority"),
    ({"expect_only": 1}, "invalid", "expect_only"),
    ({"ref": 1.5}, "invalid", "ref"),
]


def test_bad_input_names_its_field(site: DownlinkHouse) -> None:
    for request_fields, code, field in BAD:
        with case(request_fields):
            request = DownlinkRequest(**({"end_point_eui": SENSOR, "data": (b"x",)} | request_fields))
            queued = site.downlinks.queue(request)
            site.settle()
            with pytest.raises(CommandError) as error:
                result_of(queued)
            assert (error.value.code, error.value.field) == (code, field)
            assert error.value.message
            assert site.downlinks.statistics() == {"queued": 0}
            assert site.journal.kept().downlinks.last_queue_id == 0
