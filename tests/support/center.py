"""A whole service center in memory: real parts, a clock to be moved, a journal that commits when told."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred
from twisted.internet.task import Clock

from bssci.center.service_center import ServiceCenter
from bssci.journal import StorageError
from bssci.model import AnyEvent, Event, StationState, Uplink, eui_from_int
from bssci.model.commands import Actor
from bssci.settings.configuration import Configuration
from bssci.stations.link import Link
from bssci.stations.station import Station
from bssci.wire.errors import ProtocolError
from bssci.wire.messages import (
    AttPrp,
    AttPrpRsp,
    Con,
    ConRsp,
    Message,
    Status,
    StatusRsp,
)
from tests.support.inline_journal import InlineJournal
from tests.support.settings import CATALOGUE, TRIALS
from tests.support.wire import connect

EPOCH = 1_700_000_000.0
"""Unix seconds when a test begins"""
TESTER = Actor("tester", "test")
STATION = 0xCAFE000000000001
KEY = "000102030405060708090A0B0C0D0E0F"

Kind = TypeVar("Kind", bound=Event)
Sent = TypeVar("Sent", bound=Message)


def sensor_entry(number: int = 1, **changes: Any) -> dict[str, Any]:
    """An entry of endpoints.json."""
    entry = {"eui": sensor_eui(number), "nwKey": KEY, "shortAddr": f"{number:04X}", "bidi": False}
    return entry | changes


def sensor_eui(number: int = 1) -> str:
    return f"70B3D5677011{number:04X}"


class House:
    """A service center that can crash and come back.

    :ivar options: settings of the command line, at the next start.
    """

    def __init__(self, directory: Path, **settings: str) -> None:
        self.directory = directory
        self.clock = Clock()
        self.clock.advance(1000.0)
        self._began = self.clock.seconds()
        self._events: list[tuple[int, AnyEvent]] = []
        self.options = settings
        self.sensors_file = directory / "endpoints.json"
        if not self.sensors_file.exists():
            self.configure([])
        self.open()

    def open(self) -> None:
        """Start as the service does."""
        sys.audit("tests.service")
        options = self.places() | self.options
        env_file = self.directory / ".env"
        self.configuration = Configuration(CATALOGUE, options, {}, env_file, maybeDeferred, TRIALS)
        self.settings = self.configuration.current
        self.journal = InlineJournal(self.directory / "data")
        self.kept = self.journal.kept()
        self.center = ServiceCenter(self.clock, self.configuration, self.journal, self.kept, self.now)
        recovering = ensureDeferred(self.center.recover())
        self.journal.commit()
        result_of(recovering)
        self.commands = self.center.commands
        self.center.start()
        self.settle()

    def places(self) -> dict[str, str]:
        """Return the settings that say where its files are."""
        certs = self.directory / "certs"
        return {
            "sensor-config-file": str(self.sensors_file),
            "state-dir": str(self.directory / "data"),
            "cert-file": str(certs / "server.pem"),
            "key-file": str(certs / "server_key.pem"),
            "ca-file": str(certs / "ca.pem"),
        }

    def now(self) -> float:
        return EPOCH + self.clock.seconds() - self._began

    def configure(self, entries: Iterable[dict[str, Any]]) -> None:
        """What endpoints.json says at the next start."""
        self.sensors_file.write_text(json.dumps(list(entries)))

    def settle(self) -> None:
        """Let everything happen that needs no time."""
        for _ in range(1000):
            self.clock.advance(0)
            if not self.journal.commit() and not any(
                call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls()
            ):
                break

    def do(self, command: Coroutine[Deferred[Any], Any, Any]) -> Any:
        """The result of a command that needs no time; raises what it is refused with."""
        done = ensureDeferred(command)
        self.settle()
        return result_of(done)

    def audited(self) -> list[tuple[str, str, str]]:
        """Actions, targets and details in the audit log, oldest first."""
        entries = self.do(self.center.audit.read())["entries"]
        return [(entry["action"], entry["target"], entry["detail"]) for entry in reversed(entries)]

    @property
    def events(self) -> list[tuple[int, AnyEvent]]:
        """What the journal holds for sinks, and held before."""
        reading = self.journal.events.read(self._events[-1][0] if self._events else 0, 1_000_000)
        self.journal.commit()
        if not self.journal.broken:
            self._events += result_of(reading)
        return self._events

    def happened(self, *kinds: type[Kind]) -> list[Kind]:
        """Return the events of these kinds, oldest first."""
        return [event for _, event in self.events if isinstance(event, kinds)]

    def advance(self, seconds: float, step: float = 0.25) -> None:
        """Let time pass, in steps, as everything else goes on."""
        end = self.clock.seconds() + seconds
        while self.clock.seconds() < end - 1e-9:
            self.clock.advance(min(step, end - self.clock.seconds()))
            self.settle()

    def kill(self) -> None:
        """As kill -9."""
        self.journal.cut()
        for call in list(self.clock.getDelayedCalls()):
            call.cancel()

    def crash(self) -> None:
        """As kill -9, then a start."""
        self.kill()
        self.open()

    def uplinks(self) -> list[Uplink]:
        return self.happened(Uplink)

    def states(self) -> list[tuple[str, bool]]:
        """Comings and goings of stations: state, resumed."""
        return [(event.state, event.resumed) for event in self.happened(StationState)]

    def close(self) -> None:
        self.center.stop_receiving()
        stopped = ensureDeferred(self.center.stop())
        self.settle()
        result_of(stopped)
        self.journal.close()


class Line:
    """A link to the service center, with a base station's hands on it.

    :ivar sent: everything that came from the service center.
    :ivar closed: why the service center closed it; None while it is open.
    :ivar not_asked_times: pings that could not be sent.
    """

    peer = "192.0.2.1:40000"
    certificate = b""
    signers: Sequence[bytes] = ()

    def __init__(self, house: House, eui: int = STATION) -> None:
        self.house = house
        self.eui = eui
        self.sent: list[Message] = []
        self.closed: str | None = None
        self.not_asked_times = 0
        self.station: Station | None = None
        self.op_id = 0

    def send(self, messages: Sequence[Message]) -> None:
        self.sent += messages

    def disconnect(self, reason: str) -> None:
        self.closed = reason

    abort = disconnect

    def not_asked(self) -> None:
        self.not_asked_times += 1

    def connect(self, con: Con | None = None) -> ConRsp:
        """``con`` to ``conCmp``."""
        answer = self.begin(con)
        self.complete()
        return answer

    def begin(self, con: Con | None = None) -> ConRsp:
        """``con`` to ``conRsp``."""
        admitted = ensureDeferred(self.house.center.registry.admit(con or connect(bsEui=self.eui), self))
        self.house.settle()
        self.station, answer = result_of(admitted)
        return answer

    def complete(self) -> None:
        """``conCmp``"""
        assert self.station is not None
        established = ensureDeferred(self.house.center.registry.established(self, self.station))
        self.house.settle()
        result_of(established)

    def lose(self) -> None:
        assert self.station is not None
        self.house.center.registry.lost(self, self.station, "cable cut")
        self.house.settle()

    def give(self, *messages: Message | ProtocolError) -> None:
        """Messages in one read of the socket; nothing is committed yet."""
        assert self.station is not None
        self.station.receive(messages)

    def say(self, *messages: Message | ProtocolError) -> None:
        """The same, and all that follows from it."""
        self.give(*messages)
        self.house.settle()

    def take(self, kind: type[Sent]) -> list[Sent]:
        """Take messages of a kind out of what was sent."""
        taken = [message for message in self.sent if isinstance(message, kind)]
        self.sent = [message for message in self.sent if not isinstance(message, kind)]
        return taken

    def answer_everything(self) -> list[AttPrp]:
        """Answer attach propagates and status requests until no more come; the former."""
        seen: list[AttPrp] = []
        while True:
            asked = self.take(AttPrp)
            statuses = self.take(Status)
            if not asked and not statuses:
                return seen
            seen += asked
            self.say(
                *(AttPrpRsp(opId=request.opId) for request in asked),
                *(StatusRsp(opId=request.opId, code=0, message="ok") for request in statuses),
            )


def result_of(deferred: Deferred[Any]) -> Any:
    """The result of a Deferred that has fired; raises what it failed with."""
    results: list[Any] = []
    failures: list[Any] = []
    deferred.addCallbacks(results.append, failures.append)
    if failures:
        failures[0].raiseException()
    assert results, "it has not fired"
    return results[0]


@pytest.fixture
def make_house(tmp_path: Path, whole_service: None) -> Iterator[Callable[..., House]]:
    """Builds the test's :class:`House` with the given settings, and sensors: so many, or these entries."""
    houses: list[House] = []

    def make(sensors: int | Sequence[dict[str, Any]] = 0, **settings: str) -> House:
        entries = map(sensor_entry, range(1, sensors + 1)) if isinstance(sensors, int) else sensors
        (tmp_path / "endpoints.json").write_text(json.dumps(list(entries)))
        houses.append(House(tmp_path, **settings))
        return houses[-1]

    yield make
    for house in houses:
        house.close()


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    return make_house()


def connect_again(old: Line) -> Line:
    """A new connection of the same station, on which operations run, before anything is on disk."""
    new = Line(old.house, old.eui)
    stations = old.house.center.registry
    assert old.station is not None
    stations.lost(old, old.station, "cable cut")
    new.station, answer = result_of(ensureDeferred(stations.admit(connect(bsEui=old.eui), new)))
    assert answer.snResume
    established = ensureDeferred(stations.established(new, new.station))
    established.addErrback(lambda failure: failure.trap(StorageError))  # where the test's disk is full
    return new


def answers_to(line: Line, op_id: int) -> list[Message]:
    """Return what was sent to the station in one operation."""
    return [message for message in line.sent if message.opId == op_id]


def resume(bs_op_id: int, sc_op_id: int, **changes: object) -> Con:
    """Return a `con` that resumes a session at these operations."""
    return connect(bsEui=STATION, snBsOpId=bs_op_id, snScOpId=sc_op_id, **changes)


__all__ = ["House", "Line", "Link", "eui_from_int", "house", "make_house", "result_of"]
