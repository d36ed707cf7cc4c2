"""Keys in the parameters of a sensor, and what is said of those that are none."""

from __future__ import annotations

from typing import Any

import pytest

from bssci.decoders.interfaces import DecodeError
from bssci.decoders.keys import aes_key, needed_key

KEY = "e9ea895fac7cca6d30532432a516f3a8"


@pytest.mark.parametrize("parameters", [{"key": KEY}, {"bindkey": KEY.upper()}, {"key": "", "bindkey": KEY}])
def test_a_key_under_either_name(parameters: dict[str, Any]) -> None:
    assert aes_key(parameters) == needed_key(parameters) == bytes.fromhex(KEY)


def test_without_a_key_only_what_needs_one_fails() -> None:
    assert aes_key({}) is None
    with pytest.raises(DecodeError, match="decoderParameters need a key") as caught:
        needed_key({})
    assert caught.value.code == "no_key"


@pytest.mark.parametrize("value", [KEY[:-2], KEY + "00", "no key at all", 7])
def test_what_is_no_key_is_not_repeated(value: object) -> None:
    with pytest.raises(DecodeError, match="key must be 32 hexadecimal digits") as caught:
        aes_key({"key": value})
    assert caught.value.code == "bad_key"
    assert not isinstance(value, str) or value not in caught.value.message
