"""bssci.stream.address: where a token may go, and whether it can be one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bssci.model.live_token import compose
from bssci.stream.address import TOKEN, StreamAddress, StreamError, read_address, read_token

SECRET = compose("x" * 32)


@pytest.mark.parametrize(
    "url, expected",
    [
        ("wss://service.test/mqtt", StreamAddress("service.test", 443, "/mqtt", True)),
        ("wss://service.test:5000", StreamAddress("service.test", 5000, "/mqtt", True)),
        ("wss://[2001:db8::1]:5000/bssci/mqtt", StreamAddress("2001:db8::1", 5000, "/bssci/mqtt", True)),
        ("ws://localhost:5000/mqtt", StreamAddress("localhost", 5000, "/mqtt", False)),
        ("ws://127.0.0.1/mqtt", StreamAddress("127.0.0.1", 80, "/mqtt", False)),
    ],
)
def test_an_address_has_default_port_and_path(url: str, expected: StreamAddress) -> None:
    address = read_address(url)
    assert address == expected
    assert read_address(str(address)) == address


@pytest.mark.parametrize(
    "url",
    [
        "service.test",
        "https://service.test/mqtt",
        "wss://",
        "wss://h:x",
        "ws://service.test/mqtt",
        "wss://t@h",
    ],
)
def test_where_a_token_must_not_go(url: str) -> None:
    with pytest.raises(StreamError):
        read_address(url)


def test_a_token_of_a_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    assert read_token(file, {}) == SECRET
    assert read_token(None, {TOKEN: SECRET}) == SECRET


def test_a_token_that_cannot_be_right_is_not_sent_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(SECRET[:-1])
    for wrong in (lambda: read_token(file, {}), lambda: read_token(None, {TOKEN: SECRET[:-1] + "?"})):
        with pytest.raises(StreamError) as refused:
            wrong()
        assert SECRET[15:40] not in str(refused.value)
    for missing in (lambda: read_token(tmp_path / "none", {}), lambda: read_token(None, {})):
        with pytest.raises(StreamError):
            missing()
