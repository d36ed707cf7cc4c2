"""bssci.model.attach_crypto: the vectors of the protocol, and the attach counter's roll-over."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from bssci.model.attach_crypto import attach_signature, is_signed, may_follow, session_key


class Vector(NamedTuple):
    network_key: bytes
    end_point_eui: int
    attach_counter: int
    signature: bytes
    nonce: bytes
    session_key: bytes


VECTORS = [
    Vector(
        bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"),
        0x70B3D56770111505,
        0x123456,
        bytes.fromhex("d7173412"),
        bytes.fromhex("a1b2c3d4"),
        bytes.fromhex("e77429f27a4d62080a8cef1447a42777"),
    ),
    Vector(
        bytes.fromhex("000102030405060708090a0b0c0d0e0f"),
        0xCAFE000000000001,
        1,
        bytes.fromhex("85123f2d"),
        bytes.fromhex("00010203"),
        bytes.fromhex("9b45f7622dedf73dba591480236e4cb1"),
    ),
]


@pytest.mark.parametrize("vector", VECTORS, ids=["A", "B"])
def test_the_signature_is_that_of_the_vector(vector: Vector) -> None:
    signature = attach_signature(vector.network_key, vector.end_point_eui, vector.attach_counter)
    assert signature == vector.signature


@pytest.mark.parametrize("vector", VECTORS, ids=["A", "B"])
def test_the_session_key_is_that_of_the_vector(vector: Vector) -> None:
    derived = session_key(vector.network_key, vector.end_point_eui, vector.nonce, vector.signature)
    assert derived == vector.session_key


@pytest.mark.parametrize("vector", VECTORS, ids=["A", "B"])
def test_a_signature_is_good_for_its_key_sensor_and_counter_only(vector: Vector) -> None:
    key, eui, counter = vector.network_key, vector.end_point_eui, vector.attach_counter
    assert is_signed(vector.signature, key, eui, counter)
    assert not is_signed(vector.signature, key, eui, counter + 1)
    assert not is_signed(vector.signature, key, eui + 1, counter)
    assert not is_signed(vector.signature, key[::-1], eui, counter)
    assert not is_signed(bytes(4), key, eui, counter)


@pytest.mark.parametrize(
    ("counter", "last", "may"),
    [
        (0, None, True),
        (0xFFFFFF, None, True),
        (6, 5, True),
        (5, 5, False),
        (4, 5, False),
        (0xFFFFFF, 0xFFFF01, True),
        (0, 0xFFFF01, True),
        (0xFF, 0xFFFFFF, True),
        (0x100, 0xFFFFFF, False),
        (0, 0xFFFF00, False),
        (0xFFFF01, 0xFFFF01, False),
    ],
)
def test_the_counter_rises_or_rolls_over(counter: int, last: int | None, may: bool) -> None:
    assert may_follow(counter, last) is may
