"""What a station's ``att`` becomes; tests/center/attachments is about who decides on it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import succeed

from bssci.journal import Registration
from bssci.model import EUI, SensorProblem
from bssci.model.over_the_air import AttachRequest
from bssci.stations.over_the_air import Accepted, OverTheAirMessages, RefusedOverTheAir
from bssci.stations.read_batch import ReadBatch
from bssci.wire.errors import ErrorCode, ProtocolError
from bssci.wire.messages import AttRsp
from tests.stations.air_house import NOW, SENSOR, att

STATION = EUI("CAFE000000000001")
PROBLEM = SensorProblem(at=NOW, end_point_eui=SENSOR, action="attach", message="wrong signature")
HELD = Registration(end_point_eui=SENSOR, fingerprint=b"", state="attached", at=NOW)


class Deciding:
    """Answers every attach alike."""

    def __init__(self, decide: Callable[[AttachRequest], Accepted]) -> None:
        self.attach = decide
        self.completed_at: list[tuple[EUI, EUI]] = []

    def completed(self, end_point_eui: EUI, station: EUI) -> None:
        self.completed_at.append((end_point_eui, station))


def attached(decide: Callable[[AttachRequest], Accepted]) -> tuple[ReadBatch, list[Registration]]:
    known: list[Registration] = []
    station: Any = SimpleNamespace(
        eui=STATION,
        propagation=SimpleNamespace(knows=known.append),
        told_all=lambda: None,
    )
    batch = ReadBatch()
    requests: Any = Deciding(decide)
    OverTheAirMessages(requests).handle_att(station, att(op_id=5), batch)
    return batch, known


def test_what_is_accepted_is_answered_once_all_of_it_is_on_disk() -> None:
    stored = succeed(None)
    batch, known = attached(lambda request: Accepted(HELD, stored, session_key=b"\x01\x02", short_address=7))
    assert batch.answers == [AttRsp(opId=5, nwkSnKey=[1, 2], shAddr=7)]
    assert (batch.stored, batch.events, batch.registrations) == ([stored], [], [HELD])
    assert known == [HELD]


@pytest.mark.parametrize(("event", "code"), [(None, ErrorCode.ENOENT), (PROBLEM, ErrorCode.EPROTO)])
def test_what_is_refused_is_an_error_for_its_operation_only(
    event: SensorProblem | None, code: ErrorCode
) -> None:
    def refuse(request: AttachRequest) -> Accepted:
        assert (request.end_point_eui, request.base_station_eui) == (SENSOR, STATION)
        raise RefusedOverTheAir("no", event)

    with pytest.raises(ProtocolError) as caught:
        attached(refuse)
    assert (caught.value.code, caught.value.op_id) == (code, 5)


def test_a_station_that_has_the_answer_is_told_of() -> None:
    requests: Any = Deciding(lambda request: Accepted(HELD))
    station: Any = SimpleNamespace(eui=STATION)
    OverTheAirMessages(requests).complete_att(station, int(SENSOR, 16))
    assert requests.completed_at == [(SENSOR, STATION)]
