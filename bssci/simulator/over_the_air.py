"""Over-the-air attach and detach of sensors, through every base station that hears them (§5.6, §5.7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredSemaphore, FirstError, ensureDeferred, gatherResults

from bssci.simulator.sensor import AttachTelegram, DetachTelegram, Signal, SimulatedSensor
from bssci.simulator.station import OperationFailed, SimulatedStation
from bssci.wire.messages import Att, AttPrp, AttRsp, Det, DetRsp, Response

IN_FLIGHT = 256
"""Number of sensors that attach at the same time, at most."""
FLAGS: dict[str, Any] = {"dualChan": True, "repetition": False, "wideCarrOff": False, "longBlkDist": False}
"""Transmission properties of every simulated sensor, as ``att`` carries them."""


class AttachFailed(Exception):
    """The service center derived another session key than the sensor."""


async def attach(sensor: SimulatedSensor, stations: Sequence[SimulatedStation]) -> None:
    """Attach a sensor over the air. Each station that hears it forwards a copy, and serves it from then on.

    :param stations: stations, indexed by the keys of the sensor's ``heard_by``.
    :raises OperationFailed: a copy was refused.
    :raises AttachFailed: the session keys differ.
    """
    telegram = sensor.attach()
    copies = [
        stations[number].send(_attach(telegram, sensor.signal_at(number), stations[number].now_ns()))
        for number in sensor.heard_by
    ]
    for number, answer in zip(sensor.heard_by, await _all(copies), strict=True):
        assert isinstance(answer, AttRsp)
        if bytes(answer.nwkSnKey) != sensor.session_key:
            raise AttachFailed("the service center derived another session key")
        if answer.shAddr is not None:
            sensor.registered_as(answer.shAddr)
        stations[number].attached[sensor.eui] = _served(sensor)


async def detach(sensor: SimulatedSensor, stations: Sequence[SimulatedStation]) -> None:
    """Detach a sensor over the air; see :func:`attach`.

    :raises OperationFailed: a copy was refused.
    """
    telegram = sensor.detach()
    copies = [
        stations[number].send(_detach(telegram, sensor.signal_at(number), stations[number].now_ns()))
        for number in sensor.heard_by
    ]
    for number, answer in zip(sensor.heard_by, await _all(copies), strict=True):
        assert isinstance(answer, DetRsp)
        stations[number].attached.pop(sensor.eui, None)


async def attach_all(
    sensors: Sequence[SimulatedSensor], stations: Sequence[SimulatedStation], refused: dict[int, str]
) -> None:
    """Attach sensors, a limited number at a time.

    :param refused: is filled with the reasons of failed attaches, by EUI.
    """
    turns = DeferredSemaphore(IN_FLIGHT)

    async def attach_one(sensor: SimulatedSensor) -> None:
        try:
            await attach(sensor, stations)
        except (OperationFailed, AttachFailed) as error:
            refused[sensor.eui] = str(error)

    await gatherResults(
        [turns.run(lambda sensor: ensureDeferred(attach_one(sensor)), sensor) for sensor in sensors]
    )


async def _all(answers: Sequence[Deferred[Response]]) -> list[Response]:
    """Return all answers; raise the first refusal."""
    try:
        return await gatherResults(answers, consumeErrors=True)
    except FirstError as error:
        error.subFailure.raiseException()


def _attach(telegram: AttachTelegram, signal: Signal, rx_time: int) -> Att:
    return Att(
        opId=0,
        epEui=telegram.end_point_eui,
        rxTime=rx_time,
        attachCnt=telegram.attach_counter,
        snr=signal.snr,
        rssi=signal.rssi,
        profile="eu1",
        nonce=list(telegram.nonce),
        sign=list(telegram.signature),
        **FLAGS,
    )


def _detach(telegram: DetachTelegram, signal: Signal, rx_time: int) -> Det:
    return Det(
        opId=0,
        epEui=telegram.end_point_eui,
        rxTime=rx_time,
        packetCnt=telegram.packet_counter,
        snr=signal.snr,
        rssi=signal.rssi,
        profile="eu1",
        sign=list(telegram.signature),
    )


def _served(sensor: SimulatedSensor) -> AttPrp:
    """Return the ``attPrp`` by which the service center would have propagated the attach of the sensor."""
    return AttPrp(
        opId=0,
        epEui=sensor.eui,
        bidi=sensor.bidirectional,
        nwkSnKey=list(sensor.session_key),
        shAddr=sensor.short_address,
        lastPacketCnt=0,
        **FLAGS,
    )
