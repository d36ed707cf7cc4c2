from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bssci.cli.ports import listening_problems, listens, reachable
from bssci.settings.groups import ListeningAddress


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("host", "address"), [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("a.example", "a.example")]
)
def test_a_server_on_all_addresses_is_reached_on_the_loopback(host: str, address: str) -> None:
    assert reachable(host) == address


@pytest.mark.parts
def test_a_taken_port_is_a_problem_of_its_setting(taken: int) -> None:
    ((setting, text),) = listening_problems([ListeningAddress("WEB_PORT", "WEB_HOST", "127.0.0.1", taken)])
    assert setting == "WEB_PORT"
    assert text.startswith(f"WEB_PORT: cannot listen on 127.0.0.1:{taken}: ")


@pytest.mark.parts
def test_who_listens_is_known_without_a_connection(taken: int) -> None:
    assert listens(os.getpid(), taken)
    assert not listens(os.getppid(), taken)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        assert not listens(os.getpid(), other.getsockname()[1])
    assert not listens(0, taken)


def test_a_machine_without_ipv6_has_one_table(tmp_path: Path) -> None:
    (tmp_path / "7" / "net").mkdir(parents=True)
    (tmp_path / "7" / "fd").mkdir()
    (tmp_path / "7" / "fd" / "5").symlink_to("socket:[1234]")
    (tmp_path / "7" / "net" / "tcp").write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 00000000:3E92 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1234 1\n"
        "   1: 00000000:3E93 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 1234 1\n"
        "   2: 00000000:3E94 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1235 1\n"
    )
    assert listens(7, 16018, tmp_path)
    assert not listens(7, 16019, tmp_path)
    assert not listens(7, 16020, tmp_path)
    assert not listens(8, 16018, tmp_path)


@pytest.fixture
def hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of a process, of which all may see the owner only."""
    process = tmp_path / "7"
    (process / "net").mkdir(parents=True)
    (process / "net" / "tcp").touch()
    read = Path.read_text

    def denied(path: Path, *_: str) -> str:
        if path.is_relative_to(process):
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_text", denied)
    return process


def test_of_a_process_that_may_not_be_seen_it_is_enough_that_its_user_listens(hidden: Path) -> None:
    user = hidden.stat().st_uid
    table = hidden.parent / "self" / "net" / "tcp"
    table.parent.mkdir(parents=True)
    line = "   {}: 00000000:{} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 {:5}        0 {} 1\n"
    lines = [line.format(0, "3E92", user, 1234), line.format(1, "3E93", user + 1, 1235)]
    table.write_text("  sl  head\n" + "".join(lines))
    assert listens(7, 16018, hidden.parent)
    assert not listens(7, 16019, hidden.parent)  # of another user
    assert not listens(7, 16020, hidden.parent)


def test_of_a_process_whose_open_files_may_only_be_counted_it_is_enough_that_its_user_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(link: Path, *_: str) -> str:
        raise PermissionError(13, "Permission denied", str(link))

    for process in ("7", "self"):
        (tmp_path / process / "net").mkdir(parents=True)
        line = f"0: 00000000:3E92 00000000:0000 0A 0:0 0:0 0 {tmp_path.stat().st_uid} 0 1234 1"
        (tmp_path / process / "net" / "tcp").write_text(f"  sl  head\n{line}\n")
    (tmp_path / "7" / "fd").mkdir()
    (tmp_path / "7" / "fd" / "5").symlink_to("socket:[1234]")
    monkeypatch.setattr(os, "readlink", denied)
    assert listens(7, 16018, tmp_path)
    assert not listens(7, 16019, tmp_path)


def test_a_process_that_may_not_be_seen_on_a_machine_without_tables_does_not_listen(hidden: Path) -> None:
    assert not listens(7, 16018, hidden.parent)
