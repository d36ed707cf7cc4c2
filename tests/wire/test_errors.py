"""What an error of the wire tells, and what it never tells."""

from __future__ import annotations

from tests.support.wire import pack
from tests.wire.codecs import refusal


def test_a_secret_never_shows_in_an_error() -> None:
    key = [0xAB] * 15 + [999]
    told = {"command": "attRsp", "opId": 1, "nwkSnKey": key}
    error = refusal(pack(told))
    assert "nwkSnKey" in error.message and "171" not in error.message and "999" not in error.message
