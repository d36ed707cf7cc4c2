"""The station room on TLS in memory, before a service center in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.center.downlinks.gateway import site
from tests.stations.tls_memory import Client, StationRoom
from tests.support.center import (
    STATION,
    House,
    Line,
    house,
    make_house,
)
from tests.support.tls import TLSFiles, tls_files

__all__ = ["house", "make_house", "site", "tls_files"]


@pytest.fixture
def make_room(make_house: Callable[..., House], tls_files: TLSFiles) -> Iterator[Callable[..., StationRoom]]:
    """Builds a :class:`StationRoom` with so many sensors; other options are its own."""
    rooms: list[StationRoom] = []

    def make(sensors: int = 0, **options) -> StationRoom:
        rooms.append(StationRoom(make_house(sensors), options.pop("files", tls_files), **options))
        return rooms[-1]

    yield make
    for room in rooms:
        room.listening.doStop()
        room.tls.stop()


@pytest.fixture
def room(make_room: Callable[..., StationRoom]) -> StationRoom:
    return make_room()


@pytest.fixture
def station(room: StationRoom) -> Client:
    client = room.station()
    client.establish(STATION)
    client.answer_everything()
    client.messages.clear()
    return client


@pytest.fixture
def line(house: House) -> Line:
    line = Line(house)
    line.connect()
    line.answer_everything()
    line.sent.clear()
    return line


@pytest.fixture
def old(make_house) -> Line:
    line = Line(make_house(sensors=1))
    line.connect()
    line.answer_everything()
    line.sent.clear()
    return line
