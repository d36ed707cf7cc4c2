"""bssci.wire.version: which version a connection speaks."""

from __future__ import annotations

import pytest

from bssci.wire.errors import ErrorCode, ProtocolError
from bssci.wire.version import is_1_1, negotiate, parse_version


@pytest.mark.parametrize(
    ("requested", "answered"),
    [
        ("1.0.0", "1.0.0"),
        ("1.0.9", "1.0.0"),
        ("1.0", "1.0.0"),
        ("1.1.0", "1.1.0"),
        ("1.1.7", "1.1.0"),
        ("1.2.0", "1.1.0"),
        ("1.10.3", "1.1.0"),
    ],
)
def test_the_highest_supported_version_not_above_the_requested_one(requested: str, answered: str) -> None:
    assert negotiate(requested) == answered


@pytest.mark.parametrize("requested", ["0.9.0", "2.0.0", "10.0.0"])
def test_another_major_version_is_refused(requested: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        negotiate(requested)
    assert (caught.value.code, caught.value.op_id) == (ErrorCode.EINVAL, 0)


@pytest.mark.parametrize(
    "text", ["", "1", "1.x.0", "v1.0.0", "1.0.0.0", "-1.0.0", "1." + "9" * 5000, "١.٠.٠"]
)
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        negotiate(text)
    assert (caught.value.code, caught.value.op_id) == (ErrorCode.EPROTO, 0)


def test_a_version_has_three_numbers() -> None:
    assert parse_version("1.12.3") == (1, 12, 3)


@pytest.mark.parametrize(("version", "dialect"), [("1.0.0", False), ("1.1.0", True)])
def test_is_1_1(version: str, dialect: bool) -> None:
    assert is_1_1(version) is dialect
