"""What the service manager is told, byte for byte, and how often a sign of life is due."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from bssci.system.notify import ServiceManager, Watchdog, send_datagram

PID = 4711


class Manager:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, bytes]] = []

    def __call__(self, address: str, data: bytes) -> None:
        self.told.append((address, data))


def manager(send: Manager | None = None, **environ: str) -> ServiceManager:
    return ServiceManager({"NOTIFY_SOCKET": "/run/notify", **environ}, PID, send or Manager())


def test_each_step_is_one_datagram(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic_ns", lambda: 1_234_567_999)
    send = Manager()
    told = manager(send)
    told.ready("12 sensors,\nports 16018")
    told.reloading()
    told.alive()
    told.status("")
    told.stopping()
    assert send.told == [
        ("/run/notify", b"READY=1\nSTATUS=12 sensors, ports 16018"),
        ("/run/notify", b"RELOADING=1\nMONOTONIC_USEC=1234567"),
        ("/run/notify", b"WATCHDOG=1"),
        ("/run/notify", b"STOPPING=1"),
    ]


def test_nobody_is_told_outside_of_systemd() -> None:
    send = Manager()
    alone = ServiceManager({}, PID, send)
    alone.ready()
    alone.alive()
    assert send.told == [] and alone.watchdog_interval is None


def test_a_manager_that_does_not_listen_costs_nothing() -> None:
    def refuse(address: str, data: bytes) -> None:
        raise OSError(errno.ECONNREFUSED, "Connection refused")

    ServiceManager({"NOTIFY_SOCKET": "/run/notify"}, PID, refuse).ready()


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "4711"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_a_sign_of_life_is_due_at_half_of_the_time(environ: dict[str, str], interval: float | None) -> None:
    assert manager(**environ).watchdog_interval == interval


@pytest.mark.parts
@pytest.mark.parametrize("is_abstract", [False, True])
def test_a_datagram_arrives(tmp_path: Path, is_abstract: bool) -> None:
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}" if is_abstract else name)
        listener.settimeout(5)
        send_datagram(f"@{name}" if is_abstract else name, b"READY=1")
        assert listener.recv(100) == b"READY=1"


@pytest.mark.parts
def test_a_socket_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        send_datagram(str(tmp_path / "nobody"), b"READY=1")


def test_signs_of_life_stop_when_nothing_answers_any_more() -> None:
    clock, sent = Clock(), []
    environ = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "10000000"}
    manager = ServiceManager(environ, 1, lambda address, data: sent.append(data))
    asked: list[Deferred[None]] = []

    def answers() -> Deferred[None]:
        asked.append(Deferred())
        return asked[-1]

    watchdog = Watchdog(clock, manager, answers)
    watchdog.start()
    assert (len(asked), sent) == (1, [])
    asked[0].callback(None)
    assert sent == [b"WATCHDOG=1"]
    clock.advance(5.0)
    asked[1].errback(RuntimeError("the disk is full, which the writer says"))
    assert len(sent) == 2
    clock.pump([5.0] * 4)
    assert (len(asked), len(sent)) == (3, 2)
    asked[2].callback(None)
    clock.advance(5.0)
    assert (len(asked), len(sent)) == (4, 3)
    watchdog.stop()
    clock.pump([5.0] * 4)
    assert len(asked) == 4


def test_a_probe_that_raises_sends_no_sign_of_life_and_is_tried_again(expected_errors) -> None:
    clock, sent = Clock(), []
    environ = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "10000000"}
    manager = ServiceManager(environ, 1, lambda address, data: sent.append(data))
    probes = iter([RuntimeError("bug"), None])

    def answers() -> Deferred[None]:
        error = next(probes)
        if error is not None:
            raise error
        return succeed(None)

    watchdog = Watchdog(clock, manager, answers)
    watchdog.start()
    assert sent == []
    clock.advance(5.0)
    assert sent == [b"WATCHDOG=1"]
    watchdog.stop()
    assert [failure.type for failure in expected_errors] == [RuntimeError]
    expected_errors.clear()


def test_without_a_watchdog_nothing_is_asked() -> None:
    clock = Clock()
    Watchdog(clock, ServiceManager({}, 1), lambda: pytest.fail("asked")).start()
    assert clock.getDelayedCalls() == []
