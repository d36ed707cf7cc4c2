from __future__ import annotations

import msgspec
from twisted.logger import capturedLogs, formatEvent

from bssci.center.kept_bodies import read_bodies
from bssci.journal import PathRecord
from bssci.model import EUI


class Knowledge(msgspec.Struct, array_like=True):
    number: int


def row(body: bytes) -> PathRecord:
    return PathRecord(end_point_eui=EUI("0" * 16), body=body)


def test_a_damaged_body_costs_itself_and_is_logged() -> None:
    good = msgspec.msgpack.encode(Knowledge(7))
    rows = {"A": row(good), "B": row(b"\xff"), "C": row(good[:-1])}
    with capturedLogs() as logged:
        found = read_bodies("paths", rows, msgspec.msgpack.Decoder(Knowledge))
    assert found == {"A": Knowledge(7)}
    begins = [formatEvent(event)[:27] for event in logged]
    assert begins == ["paths unreadable, skipped B", "paths unreadable, skipped C"]
