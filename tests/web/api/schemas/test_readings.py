from __future__ import annotations

import pytest

from bssci.web.api.schemas.readings import parse_duration, parse_moment


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("0", 0.0),
        ("1700000000.5", 1700000000.5),
        ("2023-11-14T22:13:20", 1.7e9),
        ("2023-11-14T23:13:20+01:00", 1.7e9),
    ],
)
def test_a_moment_is_unix_seconds_or_iso_8601_in_utc(text: str, at: float) -> None:
    assert parse_moment(text) == at


@pytest.mark.parametrize("text", ["yesterday", "-1", "inf", "nan", "1e300", ""])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_moment(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("900", 900), ("15min", 900), ("1h", 3600), ("7d", 604800), ("0.5 h", 1800)]
)
def test_a_duration_may_have_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1w", "h", "1h30", "0"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_duration(text)
