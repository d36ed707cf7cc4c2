"""Attachments over the air in memory: a service center, and base stations that answer when told to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from bssci.model import EUI, SensorStatus, eui_to_int
from bssci.model.attach_crypto import attach_signature
from bssci.stations.station import Station
from bssci.wire.errors import ProtocolError
from bssci.wire.messages import (
    Att,
    AttPrp,
    AttPrpRsp,
    Det,
    DetPrp,
    DetPrpRsp,
    Message,
    Request,
    Status,
    StatusRsp,
)
from tests.support.center import EPOCH as NOW
from tests.support.center import House, Line

SENSOR = EUI("70B3D56770111505")
OTHER_SENSOR = EUI("CAFE000000000001")
KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
NONCE = bytes.fromhex("a1b2c3d4")
STATIONS = (EUI("70B3D59CD0000001"), EUI("70B3D59CD0000002"), EUI("70B3D59CD0000003"))
HERE, THERE, ELSEWHERE = STATIONS
SESSION_KEY = bytes.fromhex("e77429f27a4d62080a8cef1447a42777")
"""what an attach with ``COUNTER`` and ``NONCE`` gives"""
COUNTER = 0x123456
_RESPONSES: dict[type[Message], Callable[..., Message]] = {
    AttPrp: AttPrpRsp,
    DetPrp: DetPrpRsp,
    Status: StatusRsp,
}
Sent = TypeVar("Sent", bound=Message)


def att(op_id: int = 1, counter: int = COUNTER, **changes: Any) -> Att:
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


def det(op_id: int = 2, counter: int = 7, **changes: Any) -> Det:
    fields: dict[str, Any] = {
        "epEui": eui_to_int(SENSOR),
        "rxTime": 1_700_000_000_000_000_000,
        "packetCnt": counter,
        "snr": 10.0,
        "rssi": -100.0,
        "sign": [1, 2, 3, 4],
    }
    return Det(opId=op_id, **(fields | changes))


class AirLine(Line):
    """A link that keeps all that was sent, and how much of it was looked at.

    :ivar silent: requests that are left unanswered.
    """

    def __init__(self, house: House, eui: int) -> None:
        super().__init__(house, eui)
        self.answered = 0
        self.silent: set[type[Message]] = set()

    def of(self, *kinds: type[Sent]) -> list[Sent]:
        return [message for message in self.sent if isinstance(message, kinds)]

    def obey(self) -> bool:
        """Answer what was asked since; whether there was anything."""
        asked = [message for message in self.sent[self.answered :] if isinstance(message, Request)]
        self.answered = len(self.sent)
        answers = [
            _RESPONSES[type(message)](opId=message.opId)
            for message in asked
            if type(message) in _RESPONSES.keys() - self.silent
        ]
        if answers:
            self.say(*answers)
        return bool(answers)


class AirHouse(House):
    """A service center with one configured sensor that hears no one, and one more."""

    def __init__(self, directory: Path) -> None:
        self.links: dict[EUI, AirLine] = {}
        entries = [
            {"eui": eui, "nwKey": key.hex(), "shortAddr": short_address, "bidi": True}
            for eui, key, short_address in ((SENSOR, KEY, "1505"), (OTHER_SENSOR, bytes(16), "0001"))
        ]
        (directory / "endpoints.json").write_text(json.dumps(entries))
        super().__init__(directory)

    def crash(self) -> None:
        self.links.clear()
        super().crash()

    def station(self, eui: EUI) -> Station:
        station = self.center.stations.get(eui)
        assert station is not None
        return station

    def connect(self, eui: EUI) -> None:
        """A station comes, or comes back, and attaches what it is told to."""
        self.links[eui] = AirLine(self, eui_to_int(eui))
        self.links[eui].connect()
        self.obey()

    def lose(self, eui: EUI) -> None:
        self.links.pop(eui).lose()

    def say(self, eui: EUI, *messages: Message | ProtocolError) -> list[Message]:
        """A station sends messages in one go; what it is sent after the commit, in order."""
        link = self.links[eui]
        before = len(link.sent)
        link.say(*messages)
        return link.sent[before:]

    def obey(self) -> None:
        """Stations answer what they are asked, until there is nothing more."""
        self.settle()
        while any(link.obey() for link in self.links.values()):
            self.settle()


def told(house: AirHouse, station: EUI) -> list[AttPrp | DetPrp]:
    """What a station was told of the sensor, oldest first, without what it was told when it connected."""
    return [
        message
        for message in house.links[station].sent
        if isinstance(message, AttPrp | DetPrp) and message.epEui == eui_to_int(SENSOR)
    ][1:]


def over_the_air(house: AirHouse) -> list[SensorStatus]:
    return [event for event in house.happened(SensorStatus) if event.over_the_air]


__all__ = ["NOW", "AirHouse", "AirLine", "att", "det", "over_the_air", "told"]
