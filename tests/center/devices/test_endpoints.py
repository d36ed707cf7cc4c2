"""endpoints.json: what is read back, and every fault by its place."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from bssci.center.devices import endpoints
from bssci.center.devices.endpoints import EndpointsChangedError, EndpointsError

KEY = "00112233445566778899AABBCCDDEEFF"


def entry(number: int, **fields: Any) -> dict[str, Any]:
    return {"eui": f"70B3D5677011{number:04X}", "nwKey": KEY, "shortAddr": "1505", "bidi": False} | fields


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "endpoints.json"


def problems(path: Path, content: str | bytes) -> list[str]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(EndpointsError) as caught:
        endpoints.read(path)
    assert str(caught.value).startswith(f"{path}: {caught.value.problems[0]}")
    assert "\n" not in str(caught.value)
    return caught.value.problems


def test_sensors_in_the_order_of_the_file(path: Path) -> None:
    path.write_text(json.dumps([entry(2), entry(1, name="Fenster", vendor={"x": 1})]))
    sensors = endpoints.read(path)
    assert [sensor.eui for sensor in sensors] == ["70B3D56770110002", "70B3D56770110001"]
    assert sensors[1].name == "Fenster"
    assert sensors[1].extra == {"vendor": {"x": 1}}


def test_a_byte_order_mark_is_skipped_also_in_front_of_wrong_entries(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps([5, entry(1)]).encode())
    found = endpoints.read_file(path)
    assert [sensor.eui for sensor in found.sensors] == ["70B3D56770110001"]
    assert [wrong.text for wrong in found.wrong] == ["5"]
    endpoints.write(path, found.sensors, found.version, found.wrong)
    assert json.loads(path.read_bytes())[0] == 5


def test_what_is_written_is_read_back(path: Path) -> None:
    path.write_text(json.dumps([entry(1, name="Tür", vendor={"x": [1.5]}), entry(2, bidi=True, tags=["a"])]))
    sensors = endpoints.read(path)
    endpoints.write(path, sensors)
    assert endpoints.read(path) == sensors
    assert path.read_text().count("\n") == 4


def test_the_mode_of_the_file_stays(path: Path) -> None:
    endpoints.write(path, [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o664)
    endpoints.write(path, [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o664


def test_wrong_entries_stay_where_they_are_as_they_are(path: Path) -> None:
    odd = '{"eui" :  "70B3D56770110009",\n   "nwKey": "short", "price": 1.50}'
    good = [json.dumps(entry(number)) for number in (1, 2)]
    path.write_text(f"[{good[0]},\n{odd},5 ,{good[1]}]")
    sensors, wrong, version = endpoints.read_file(path)
    assert [each.number for each in wrong] == [2, 3]
    endpoints.write(path, sensors, version, wrong)
    again = endpoints.read_file(path)
    assert again.sensors == sensors
    assert [(each.number, each.text) for each in again.wrong] == [(2, odd), (3, "5")]
    endpoints.write(path, sensors[:1], None, again.wrong)
    assert [each.text for each in endpoints.read_file(path).wrong] == [odd, "5"]


def test_a_file_without_sensors_is_written_and_read(path: Path) -> None:
    endpoints.write(path, [])
    assert path.read_text() == "[]\n"
    assert endpoints.read(path) == []
    assert not path.with_name("endpoints.json.bak").exists()


def test_the_previous_version_is_kept(path: Path) -> None:
    path.write_text(json.dumps([entry(1)]))
    before = path.read_bytes()
    endpoints.write(path, [])
    backup = path.with_name("endpoints.json.bak")
    assert backup.read_bytes() == before
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


@pytest.mark.parametrize("by_hand", ["[]", "[ half an ed", None])
def test_another_version_than_the_expected_is_not_replaced(path: Path, by_hand: str | None) -> None:
    path.write_text(json.dumps([entry(1)]))
    sensors, _, version = endpoints.read_file(path)
    if by_hand is None:
        path.unlink()
    else:
        path.write_text(by_hand)
    with pytest.raises(EndpointsChangedError, match=r"^endpoints\.json was changed by hand; reload it"):
        endpoints.write(path, sensors, version)
    assert [each.read_text() for each in path.parent.iterdir()] == ([] if by_hand is None else [by_hand])


def test_the_expected_version_is_replaced_though_it_was_written_anew(path: Path) -> None:
    path.write_text(json.dumps([entry(1)]))
    sensors, _, version = endpoints.read_file(path)
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    version = endpoints.write(path, [], version)
    assert endpoints.read_file(path) == ([], (), version)
    assert endpoints.read_version(path) == version
    endpoints.write(path, sensors, version)
    assert endpoints.read(path) == sensors


def test_behind_a_link_the_file_itself_is_replaced(tmp_path: Path) -> None:
    real = tmp_path / "etc"
    real.mkdir()
    (real / "sensors.json").write_text("[]")
    link = tmp_path / "endpoints.json"
    link.symlink_to(real / "sensors.json")
    endpoints.write(link, [])
    assert link.is_symlink()
    assert sorted(each.name for each in real.iterdir()) == ["sensors.json", "sensors.json.bak"]


def wrong(path: Path, content: str) -> list[str]:
    path.write_text(content)
    return [str(each) for each in endpoints.read_file(path).wrong]


def test_every_bad_entry_is_named(path: Path) -> None:
    content = [entry(1, bidi="yes"), entry(2), entry(3, nwKey=KEY + "0"), {"eui": "nonsense"}, 5, entry(2)]
    assert wrong(path, json.dumps(content)) == [
        "entry 1 (70B3D56770110001): bidi: must be true or false",
        "entry 3 (70B3D56770110003): nwKey: must be 32 hexadecimal digits, not 33",
        "entry 4: nwKey: is missing; shortAddr: is missing; bidi: is missing; "
        "eui: must be 16 hexadecimal digits",
        "entry 5: entry: must be an object",
        "entry 6 (70B3D56770110002): eui: is already in entry 2",
    ]
    assert [sensor.eui for sensor in endpoints.read(path)] == ["70B3D56770110002"]


def test_keys_are_not_told(path: Path) -> None:
    assert KEY not in str(wrong(path, json.dumps([entry(1, nwKey=KEY + "00"), entry(2, eui=KEY)])))
    assert KEY not in repr(endpoints.read_file(path).wrong)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is not valid JSON at line 1 column 1: Expecting value"),
        ('[{"eui": 1},\n {"eui" 2}]', "is not valid JSON at line 2 column 9: Expecting ':' delimiter"),
        ('[{"name": "NaN"},\n {"x": NaN}]', "is not valid JSON at line 2 column 8: NaN is not a JSON value"),
        (
            '["a\\"Infinity", -Infinity]',
            "is not valid JSON at line 1 column 17: -Infinity is not a JSON value",
        ),
        (b'["\xe9"]', "is not UTF-8 (byte 3): save it as UTF-8"),
        ("{}", "must be a JSON array of sensors, [ ... ]; [] for none"),
        ("null", "must be a JSON array of sensors, [ ... ]; [] for none"),
        (
            "[" + "1" * 5000 + "]",
            "is not a list of sensors: Exceeds the limit (4300 digits) for integer string conversion: "
            "value has 5000 digits; use sys.set_int_max_str_digits() to increase the limit",
        ),
        ("[" * 200_000, "is not a list of sensors: nested too deeply"),
    ],
)
def test_what_is_no_list_of_sensors(path: Path, content: str | bytes, problem: str) -> None:
    assert problems(path, content) == [problem]


def test_a_file_that_is_not_there(path: Path) -> None:
    with pytest.raises(EndpointsError) as caught:
        endpoints.read(path)
    remedy = "restore it, set SENSOR_CONFIG_FILE, or run `bssci init` for an empty one"
    assert str(caught.value) == f"{path}: does not exist: {remedy}"


def test_a_file_that_cannot_be_read(path: Path) -> None:
    path.mkdir()
    with pytest.raises(EndpointsError, match="cannot be read: Is a directory"):
        endpoints.read(path)


FULL = {"name": "n" * 200, "tags": ["t" * 100] * 50, "vendor": "x" * (16 * 1024 - len('{"vendor": ""}'))}


def test_an_entry_that_is_as_large_as_it_may_be(path: Path) -> None:
    path.write_text(json.dumps([entry(1, **FULL)]))
    [sensor] = endpoints.read(path)
    assert (sensor.name, list(sensor.tags), sensor.extra["vendor"]) == tuple(FULL.values())


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": "n" * 201}, "name: must be text of at most 200 characters"),
        ({"tags": ["t"] * 51}, "tags: must be a list of at most 50 texts of at most 100 characters each"),
        ({"tags": ["t" * 101]}, "tags: must be a list of at most 50 texts of at most 100 characters each"),
        (
            {"small": 1, "vendor": FULL["vendor"]},
            "vendor: is too large: unknown fields may take at most 16384 bytes together as JSON",
        ),
        (
            {"v" * 20_000: 1},
            f"{'v' * 40}: is too large: unknown fields may take at most 16384 bytes together as JSON",
        ),
        ({"name": "\ud800"}, "name: holds half of a surrogate pair, which is not a character"),
        ({"tags": ["yard", "\udfff"]}, "tags: holds half of a surrogate pair, which is not a character"),
        ({"vendor": "\ud800"}, "vendor: must be JSON in UTF-8"),
    ],
)
def test_an_entry_that_is_too_large_is_named(path: Path, fields: dict[str, Any], problem: str) -> None:
    assert wrong(path, json.dumps([entry(1, **fields)])) == [f"entry 1 (70B3D56770110001): {problem}"]
