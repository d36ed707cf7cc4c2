"""The demo's decoders in a folder that has none, some, or others for the same sensors."""

from __future__ import annotations

from pathlib import Path

from bssci.cli.demo import demo_sensors
from bssci.cli.demo_decoders import provide, shipped
from bssci.decoders.library import build_library

FILES = ["climate-sensor.json", "garden-probe.json", "leak-sensor.json", "water-meter.json"]


def test_a_package_brings_a_decoder_for_each_sensor_of_the_demo() -> None:
    library = build_library(dict(shipped()))
    assert library.problems == ()
    known = {getattr(decoder, "type_eui", None) for decoder in library.decoders.values()}
    assert {sensor.type_eui for sensor in demo_sensors()} <= known


def test_an_empty_place_gets_all_of_them_once(tmp_path: Path) -> None:
    folder = tmp_path / "decoders"
    assert [file.name for file in provide(folder)] == FILES
    assert sorted(file.name for file in folder.iterdir()) == FILES
    assert (folder / FILES[0]).stat().st_mode & 0o777 == 0o644
    assert provide(folder) == []


def test_what_somebody_changed_stays(tmp_path: Path) -> None:
    texts = dict(shipped())
    (tmp_path / "water-meter.json").write_text("{")
    (tmp_path / "ours.json").write_text(texts["leak-sensor.json"])
    assert [file.name for file in provide(tmp_path)] == ["climate-sensor.json", "garden-probe.json"]
    assert (tmp_path / "water-meter.json").read_text() == "{"
