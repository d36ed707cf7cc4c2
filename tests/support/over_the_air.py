"""Attachments over the air in memory: the parts that decide, and base stations that answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, ensureDeferred, succeed
from twisted.internet.task import Clock

from bssci.center.attachments.attachments import Attachments
from bssci.center.attachments.over_the_air import DetachVerifier, OverTheAir
from bssci.center.devices.sensors import Sensors
from bssci.center.uplinks.activity import Activities
from bssci.journal import Change
from bssci.model import EUI, Event, Reception, eui_to_int
from bssci.model.attach_crypto import attach_signature
from bssci.stations.directory import Stations
from bssci.stations.entries import Entries
from bssci.stations.over_the_air import OverTheAirMessages
from bssci.stations.registry import Registry
from bssci.stations.station import Services, Station, methods
from bssci.stations.upkeep import Pings, Propagations, Statuses
from bssci.stations.variable_mac import VariableMac
from bssci.wire.errors import ProtocolError
from bssci.wire.messages import (
    Att,
    AttPrp,
    AttPrpRsp,
    Con,
    DetPrp,
    DetPrpRsp,
    Message,
    Request,
    Status,
    StatusRsp,
)
from tests.support.center import result_of
from tests.support.inline_journal import InlineJournal

SENSOR = EUI("70B3D56770111505")
OTHER_SENSOR = EUI("CAFE000000000001")
KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
NONCE = bytes.fromhex("a1b2c3d4")
STATIONS = (EUI("70B3D59CD0000001"), EUI("70B3D59CD0000002"), EUI("70B3D59CD0000003"))
NOW = 1_700_000_000.0
_RESPONSES: dict[type[Message], Callable[..., Message]] = {
    AttPrp: AttPrpRsp,
    DetPrp: DetPrpRsp,
    Status: StatusRsp,
}


def att(op_id: int = 1, counter: int = 0x123456, **changes: Any) -> Att:
    """The attach of ``SENSOR``, correctly signed."""
    fields: dict[str, Any] = {
        "epEui": eui_to_int(SENSOR),
        "rxTime": 1_700_000_000_000_000_000,
        "attachCnt": counter,
        "snr": 10.0,
        "rssi": -100.0,
        "nonce": list(NONCE),
        "sign": list(attach_signature(KEY, eui_to_int(SENSOR), counter)),
        "dualChan": True,
        "repetition": False,
        "wideCarrOff": False,
        "longBlkDist": False,
    }
    return Att(opId=op_id, **(fields | changes))


Kind = TypeVar("Kind", bound=Event)
Sent = TypeVar("Sent", bound=Message)


class FakeLink:
    """Keeps what is sent to a station."""

    peer = "test"
    certificate = b""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.answered = 0
        """how many of them were looked at"""
        self.silent: set[type[Message]] = set()
        """leave these requests unanswered"""

    def send(self, messages: Sequence[Message]) -> None:
        self.sent.extend(messages)

    def disconnect(self, reason: str) -> None:
        """The tests lose connections themselves."""

    abort = disconnect

    def of(self, *kinds: type[Sent]) -> list[Sent]:
        return [message for message in self.sent if isinstance(message, kinds)]


class Unheard:
    """Keeps receptions and does nothing with them."""

    def __init__(self, journal: InlineJournal) -> None:
        self._journal = journal

    def receptions(self, receptions: list[Reception], mark: Change) -> Deferred[Any]:
        return self._journal.inbox.append(receptions, mark)


class House:
    """The parts under test, with one configured sensor that hears no one and one more."""

    def __init__(self, directory: Path, detach_verifier: DetachVerifier | None = None) -> None:
        self._directory = directory
        self._detach_verifier = detach_verifier
        self.clock = Clock()
        self.links: dict[EUI, FakeLink] = {}
        path = directory / "endpoints.json"
        path.write_text(json.dumps([_entry(SENSOR, KEY, "1505"), _entry(OTHER_SENSOR, bytes(16), "0001")]))
        self._open()

    def _open(self) -> None:
        self.journal = InlineJournal(self._directory / "data")
        kept = self.journal.kept()
        self.sensors = Sensors(self._directory / "endpoints.json", _at_once)
        self.activities = Activities(self.clock, self.journal, kept)
        self.stations = Stations()
        self.attachments = Attachments(
            self.clock, self.journal, kept, self.sensors, self.activities, self.stations
        )
        self.over_the_air = OverTheAir(
            self.sensors, self.attachments, self.activities, self.now, self._detach_verifier
        )
        self.variable_mac = VariableMac(self.clock, self.now)
        parts = [
            Pings(),
            Statuses(self.now),
            Propagations(self.now),
            OverTheAirMessages(self.over_the_air),
            self.variable_mac,
        ]
        services = Services(
            clock=self.clock,
            now=self.now,
            journal=self.journal,
            wanted=self.attachments,
            ingest=Unheard(self.journal),
            refused=lambda failure: None,
            handlers=methods(parts, "handle_"),
            finishers=methods(parts, "finish_"),
            completers=methods(parts, "complete_"),
        )
        self.registry = Registry(
            self.stations, Entries(self.journal, kept), services, kept, EUI("0200000000000000"), 300.0
        )
        self.stations.watch(self.over_the_air.station_changed)

    def now(self) -> float:
        return NOW + self.clock.seconds()

    def __enter__(self) -> House:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.journal.close()

    def restart(self) -> None:
        """The process is killed and begins anew; every connection is gone."""
        self.links.clear()
        self.journal.cut()
        for call in self.clock.getDelayedCalls():
            call.cancel()
        self._open()

    # stations

    def connect(self, eui: EUI) -> Station:
        """A station comes, or comes back, and attaches what it is told to."""
        link = self.links[eui] = FakeLink()
        con = Con(
            opId=0,
            version="1.0.0",
            bsEui=eui_to_int(eui),
            bidi=True,
            snBsUuid=list(range(16)),
        )
        admitted = ensureDeferred(self.registry.admit(con, link))
        self.commit()
        station: Station = result_of(admitted)[0]
        established = ensureDeferred(self.registry.established(link, station))
        self.settle()
        result_of(established)
        return station

    def lose(self, eui: EUI) -> None:
        station = self.stations.get(eui)
        assert station is not None
        self.registry.lost(self.links.pop(eui), station, "test")

    def say(self, eui: EUI, *messages: Message | ProtocolError) -> list[Message]:
        """A station sends messages in one go; what it is sent after the commit, in order."""
        station, link = self.stations.get(eui), self.links[eui]
        assert station is not None
        before = len(link.sent)
        station.receive(messages)
        self.commit()
        return link.sent[before:]

    def settle(self) -> None:
        """Stations answer what they are asked, until there is nothing more."""
        self.commit()
        while any(self._answer(eui, link) for eui, link in list(self.links.items())):
            self.commit()

    def _answer(self, eui: EUI, link: FakeLink) -> bool:
        station = self.stations.get(eui)
        asked = [message for message in link.sent[link.answered :] if isinstance(message, Request)]
        link.answered = len(link.sent)
        answers = [
            _RESPONSES[type(message)](opId=message.opId)
            for message in asked
            if type(message) in _RESPONSES.keys() - link.silent
        ]
        if answers and station is not None:
            station.receive(answers)
        return bool(answers)

    # the journal

    def commit(self) -> None:
        """Everything that was submitted gets on disk, and what follows from it happens."""
        self.journal.commit()

    def events(self, *kinds: type[Kind]) -> list[Kind]:
        """What sinks got to see of these kinds, oldest first."""
        self.commit()
        reading = self.journal.events.read(0, 10_000)
        self.commit()
        return [event for _, event in result_of(reading) if isinstance(event, kinds)]


def _entry(eui: EUI, key: bytes, short_address: str) -> dict[str, object]:
    return {"eui": eui, "nwKey": key.hex(), "shortAddr": short_address, "bidi": True}


def _at_once(function: Callable[..., object], *arguments: object) -> Deferred[object]:
    return succeed(function(*arguments))
