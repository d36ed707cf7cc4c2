"""Numbers, durations and states as people read them."""

from __future__ import annotations

import pytest
from jinja2 import Undefined

from bssci.web import formats
from bssci.web.pages.table import environment


def plain(text: str) -> str:
    return text.replace("\N{NARROW NO-BREAK SPACE}", " ").replace("\N{MINUS SIGN}", "-")


@pytest.mark.parametrize(
    ("value", "digits", "unit", "text"),
    [
        (1234567, 0, "", "1 234 567"),
        (-101.26, 1, "dBm", "-101.3 dBm"),
        (0, 0, "", "0"),
        (None, 0, "s", "–"),
        (-0.0, 0, "°C", "0 °C"),
        (-0.04, 1, "°C", "0.0 °C"),
        (1e20, 0, "", "100 000 000 000 000 000 000"),
        (-1.7e308, 2, "V", "-1.7e+308 V"),
    ],
)
def test_numbers_are_grouped_and_keep_their_unit(value: float, digits: int, unit: str, text: str) -> None:
    assert plain(formats.number(value, digits, unit)) == text


def test_euis_in_a_text_are_marked_and_lines_end_at_commas() -> None:
    text = "CN=70B3D56770110001,O=<A>,urn:70-b3-d5-67-70-11-00-02, not 70B3D567701100010"
    assert formats.with_euis(text) == (
        'CN=<span class="eui">70B3D56770110001</span>,<wbr>O=&lt;A&gt;,<wbr>'
        'urn:<span class="eui">70-b3-d5-67-70-11-00-02</span>,<wbr> not 70B3D567701100010'
    )
    assert formats.with_euis("") == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (2.5, "2.5 s"),
        (75, "1 min 15 s"),
        (3600, "1 h"),
        (90061, "1 d 1 h"),
        (-5, "0 s"),
        (None, "–"),
    ],
)
def test_durations_show_two_parts(seconds: float, text: str) -> None:
    assert plain(formats.duration(seconds)) == text


@pytest.mark.parametrize(("seconds", "text"), [(1, "just now"), (59, "59 s ago"), (3 * 86400 + 5, "3 d ago")])
def test_how_long_ago(seconds: float, text: str) -> None:
    assert plain(formats.since(seconds)) == text


def test_loads_in_per_cent_are_taken_for_shares() -> None:
    assert formats.share(0.35) == formats.share(35) == 0.35
    assert formats.share(None) is None


def test_what_is_missing_in_a_template_is_a_dash() -> None:
    assert formats.number(Undefined()) == formats.percent(None) == formats.octets("") == "–"


def test_bytes_and_fingerprints() -> None:
    assert formats.octets("0aff") == "0A FF"
    assert formats.fingerprint("0aff") == "0A:FF"


@pytest.mark.parametrize(
    ("state", "tone"),
    [("online", "ok"), ("partial", "warning"), ("failed", "error"), ("queued", "info"), ("?", "off")],
)
def test_each_state_has_its_tone(state: str, tone: str) -> None:
    assert formats.tone(state) == tone


@pytest.mark.parametrize(("days", "tone"), [(-1, "error"), (3, "warning"), (60, "ok"), (None, "off")])
def test_certificates_are_urgent_from_the_days_on_from_which_there_is_an_alarm(
    days: int | None, tone: str
) -> None:
    assert formats.days_tone({"certificate_days": 60.0}, days) == tone


def test_times_are_in_the_zone_of_the_settings_and_say_utc() -> None:
    template = environment().from_string("{{ at|moment }}")
    text = template.render(at=1_790_000_000.5, now=0, timezone="Europe/Berlin")
    assert 'datetime="2026-09-21T14:13:20.500Z"' in text
    assert "2026-09-21 14:13:20 UTC" in text
    assert ">2026-09-21 16:13:20<" in text
    assert "14:13:20<" in template.render(at=1_790_000_000, now=0, timezone="No/Where")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (77.167, "m³", "77.167\u202fm³"),
        (77.1674, "m³", "77.167\u202fm³"),
        (21.50, "°C", "21.5\u202f°C"),
        (-3, "°C", "\u22123\u202f°C"),
        (12345, None, "12\u202f345"),
        (0.00012345, "A", "0.000123\u202fA"),
        (0.0, "A", "0\u202fA"),
        (True, None, "yes"),
        (False, None, "no"),
        ("burst", None, "burst"),
        (None, "°C", "–"),
    ],
)
def test_a_reading_has_the_digits_that_matter(value: object, unit: str | None, text: str) -> None:
    assert formats.measured(value, unit) == text


def test_names_of_readings_are_words() -> None:
    assert [formats.words(name) for name in ("battery_voltage", "co2", "a.b.0", "_")] == [
        "Battery voltage",
        "CO₂",
        "A b 0",
        "_",
    ]


@pytest.mark.parametrize("at", [2.0**62, 1e300, float("nan"), -1.0, None])
@pytest.mark.parametrize("name", ["ago", "moment", "day"])
def test_a_time_beyond_the_calendar_is_not_shown(name: str, at: float | None) -> None:
    template = environment().from_string(f"{{{{ at|{name} }}}}")
    assert template.render(at=at, now=1_700_000_000.0, timezone="UTC") == "–"


def test_the_most_telling_values_come_first() -> None:
    values = {"tamper": False, "battery_voltage": 3.6, "volume": 77.1, "state": "on", "leak": True}
    assert sorted(values, key=lambda name: formats.rank(name, values[name])) == [
        *("leak", "volume", "state", "battery_voltage", "tamper")
    ]


def test_a_list_in_a_field_has_quotation_marks_where_they_are_needed() -> None:
    assert formats.listed(["a b", 'c, "d"', "", " e", "f"]) == 'a b, "c, ""d""", "", " e", f'


def test_a_number_in_a_field_is_as_people_type_it() -> None:
    values = (10.0, 900, 51.0478, -0.5, None)
    assert [formats.typed(value) for value in values] == ["10", "900", "51.0478", "-0.5", ""]
