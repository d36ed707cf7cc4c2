"""A simulated station that is connected, and one sensor that it hears."""

from __future__ import annotations

from collections.abc import Callable

from bssci.simulator import RadioTelegram
from bssci.simulator.sensor import Signal
from bssci.wire.messages import (
    AttPrp,
)
from tests.simulator.service_center import Air

EUI = 0xCAFEBA5E00000001
SENSOR = 0x70B3D56770111505
SIGNAL = Signal(snr=10.0, rssi=-100.0)
NOW_NS = 1_700_000_000_000_000_000
Connect = Callable[..., Air]


def telegram(counter: int = 0, **fields: bool) -> RadioTelegram:
    return RadioTelegram(SENSOR, counter, b"\x01\x02", **fields)


def attach(eui: int = SENSOR, op_id: int = -1) -> AttPrp:
    return AttPrp(
        opId=op_id,
        epEui=eui,
        bidi=True,
        nwkSnKey=[0] * 16,
        shAddr=1,
        lastPacketCnt=0,
        dualChan=True,
        repetition=False,
        wideCarrOff=False,
        longBlkDist=False,
    )
