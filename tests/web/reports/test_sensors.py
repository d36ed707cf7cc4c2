from __future__ import annotations

from bssci.center.devices.completing import unmasked
from bssci.model import parse_sensor, sensor_to_json
from bssci.web.reports.sensors import masked
from tests.support.web import KEY, SENSOR, WebHouse, sensor_entry


def test_a_key_is_masked_and_a_mask_that_comes_back_is_the_key_of_before() -> None:
    sensor = parse_sensor(sensor_entry(1, decoderParameters={"key": "00" * 16}))
    entry = sensor_to_json(sensor)
    shown = masked(sensor)
    assert KEY not in str(shown) and "00" * 16 not in str(shown)
    assert unmasked(shown, sensor) == entry
    assert unmasked(shown | {"nwKey": "11" * 16}, sensor)["nwKey"] == "11" * 16


def test_a_sensor_is_told_without_its_key(web: WebHouse) -> None:
    answer = web.browser("viewer").get(f"/api/sensors/{SENSOR}")
    assert answer.status == 200 and KEY not in answer.text
    assert web.browser("viewer").get("/api/sensors/70B3D5677011FFFF").status == 404
