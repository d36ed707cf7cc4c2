"""Tables of controllers as models and devices; wrong rows cost themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bssci.center.devices import controller_tables as module
from bssci.center.devices.controller_tables import ControllerTablesError, read_controller_tables
from bssci.decoders.datapoints import parse_datapoints
from tests.support.controllers import MAC, TABLES, row, tables

PIN = f"f2:{MAC}/J1/3"


def read(changed: dict[str, Any]) -> Any:
    return read_controller_tables(json.dumps(changed))


def test_a_template_is_a_model_and_a_pin_a_device() -> None:
    found = read(TABLES)
    assert list(found.models) == ["soil-probe"] and found.wrong == [] and found.empty_pins == 1
    assert parse_datapoints("soil-probe", found.models["soil-probe"]).title == "SP-3"
    assert found.devices == {
        f"f2:{MAC}": {"name": "Greenhouse", "model": "F2"},
        PIN: {"name": "Bed 3", "model": "SP-3", "decoder": "soil-probe", "parent": f"f2:{MAC}",
              "port": "J1/3"},
        f"f2:{MAC}/J2/strike-1": {"name": "Gate", "model": "Lock", "parent": f"f2:{MAC}",
                                  "port": "J2/strike-1"},
    }  # fmt: skip


def test_other_spellings_of_tables_columns_and_values() -> None:
    spelled = {
        "device_templates": [{"id": "a", "name": "Probe"}],
        "DATAPOINTS": [{"id": 1, "device_template_id": "a", "LABEL": "x", "DATA_ENCODING": "Int8",
                        "offset": 0}],
        "controllers": [{"id": "c", "mac_address": "f2-0A1B2C3D4E5F", "name": "Hut"}],
        "devices": [{"id": "c2", "device_name": "P", "device_template_id": "a"}],
        "connectors": [{"id": 1, "controller_id": "c", "connector_number": "J1"}],
        "pins": [{"id": 1, "connector_id": 1, "position": "sensor-3", "device_id": "c2"}],
    }  # fmt: skip
    found = read(spelled)
    assert found.wrong == [] and found.devices[PIN]["decoder"] == "probe"
    assert found.devices[f"f2:{MAC}"]["name"] == "Hut"


def test_two_templates_with_one_name_are_two_models() -> None:
    twice = [row("DeviceTemplate", 1), row("DeviceTemplate", 1, Id=8)]
    points = [row("DataPoint", 0), row("DataPoint", 1, DeviceTemplateId=8)]
    assert list(read(tables(DeviceTemplate=twice, DataPoint=points)).models) == ["soil-probe", "soil-probe-2"]


def points_of(*templates: int) -> list[dict[str, Any]]:
    """A data point for each of some templates."""
    return [
        row("DataPoint", 0, Id=number, DeviceTemplateId=template, Label=f"value {number}")
        for number, template in enumerate(templates)
    ]


def test_a_numbered_name_replaces_no_template_of_that_name() -> None:
    names = ["a-4", "b", "a", "a"]
    templates = [{"Id": number, "Name": name} for number, name in enumerate(names)]
    found = read(tables(DeviceTemplate=templates, Pin=[], DataPoint=points_of(0, 1, 2, 3)))
    assert list(found.models) == ["a-4", "b", "a", "a-5"]


def test_what_exceeds_the_bounds_of_decoders_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_POINTS", 2)
    monkeypatch.setattr(module, "MAX_MODELS", 1)
    templates = [{"Id": number, "Name": "a"} for number in range(2)]
    found = read(tables(DeviceTemplate=templates, Pin=[], DataPoint=points_of(0, 0, 0, 1)))
    assert found.wrong == [
        "datapoint 2: its template has 2 already",
        "devicetemplate 1: 1 templates with data points come before it",
    ]
    assert list(found.models) == ["a"]


@pytest.mark.parametrize(
    ("table", "number", "changes", "wrong"),
    [
        ("DataPoint", 0, {"DataEncoding": "Int17"}, "datapoint 1: encoding: 'Int17' is unknown"),
        ("DataPoint", 0, {"DataEncoding": None}, "datapoint 1: dataPoints[0]: temperature: encoding is"),
        ("DataPoint", 0, {"Label": ""}, "datapoint 1: dataPoints[0]: name is missing"),
        ("DataPoint", 0, {"Label": "moisture"}, "datapoint 2: the label moisture appears twice"),
        ("DataPoint", 0, {"Offset": -1}, "datapoint 1: offset: must be a whole number"),
        ("DataPoint", 0, {"DeviceTemplateId": 99}, "datapoint 1: there is no template 99"),
        ("Device", 0, {"MacAddress": "0A1B"}, "pin 1: its controller has no MacAddress"),
        ("Connector", 0, {"ConnectorNumber": 0}, "pin 1: its connector has no ConnectorNumber"),
        ("Connector", 0, {"ControllerId": 55}, "pin 1: there is no device 55"),
        ("Device", 1, {"DeviceName": "a\nb"}, "pin 1: devicename must have no control characters"),
        ("DataPoint", 0, {"Label": "a\x1b"}, "datapoint 1: label must have no control characters"),
        ("Pin", 0, {"DeviceId": 55}, "pin 1: there is no device 55"),
        ("Pin", 0, {"ConnectorId": 55}, "pin 1: there is no connector 55"),
        ("Pin", 0, {"Position": "a/b"}, "pin 1: its Position is neither a number"),
        ("Pin", 1, {"Position": 3, "DeviceId": 101}, "pin 2: another pin is at f2:0a1b2c3d4e5f/J1/3"),
    ],
)
def test_a_wrong_row_costs_itself(table: str, number: int, changes: dict[str, Any], wrong: str) -> None:
    rows = [row(table, each, **(changes if each == number else {})) for each in range(len(TABLES[table]))]
    found = read(tables(**{table: rows}))
    assert found.wrong[0].startswith(wrong), found.wrong
    assert found.models["soil-probe"]


def test_a_template_whose_name_has_control_characters_is_left_out() -> None:
    found = read(tables(DeviceTemplate=[row("DeviceTemplate", 1, Model="SP\x1b")]))
    assert found.wrong[0] == "devicetemplate 7: model must have no control characters"
    assert found.models == {}


PARAMETER = {
    "device_id": f"f2-{MAC}",
    "connector_mode": "sensor-mode",
    "component_type": "sensor",
    "component_id": None,
    "encoding_type": "hex_to_float",
    "units": "%",
    "scaling_factor": "0.1",
}


def test_parameters_of_older_installations_are_the_controllers() -> None:
    third = PARAMETER | {"device_id": 100, "component_id": 3, "encoding_type": "boolean", "units": None}
    found = read(tables(device_parameters=[PARAMETER, third]))
    controller = found.devices[f"f2:{MAC}"]
    assert found.wrong == [] and (controller["name"], controller["decoder"]) == ("Greenhouse", "controller")
    any_sensor, other = controller["parameters"]["components"]
    assert any_sensor == {"mode": "sensor-mode", "component": "sensor", "number": None,
                          "encoding": "hex_to_float", "unit": "%", "scale": 0.1}  # fmt: skip
    assert (other["number"], other["encoding"], other["unit"]) == (3, "boolean", None)
    assert read({"device_parameters": [PARAMETER]}).devices.keys() == {f"f2:{MAC}"}


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"device_id": "x"}, "no MacAddress"),
        ({"component_type": None}, "component_type is missing"),
        ({"component_id": "many"}, "component_id must be a number"),
        ({"encoding_type": "magic"}, "encoding_type must be one of boolean"),
        ({"scaling_factor": "nan"}, "scaling_factor must be a number"),
        ({"scaling_factor": 10**400}, "scaling_factor must be a number"),
    ],
)
def test_a_wrong_parameter_costs_itself(changes: dict[str, Any], wrong: str) -> None:
    found = read({"device_parameters": [PARAMETER | changes]})
    assert wrong in found.wrong[0] and found.devices == {}


def test_a_row_that_is_none_is_named() -> None:
    assert read(tables(Pin=[7])).wrong == ["pin 1: must be an object"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"Pin": 3}', '{"other": []}', "[" * 100_000])
def test_what_holds_no_tables_is_refused(text: str) -> None:
    with pytest.raises(ControllerTablesError):
        read_controller_tables(text)


@pytest.mark.parametrize("id", ["7" * 100_000, [7] * 100_000])
def test_a_long_id_that_many_rows_refer_to_is_spelt_out_in_no_fault(id: Any) -> None:
    changed = {
        "Connector": [{"Id": 1, "ControllerId": id, "ConnectorNumber": 1}],
        "Pin": [{"Id": number, "ConnectorId": 1, "Position": 1, "DeviceId": 1} for number in range(50)],
    }
    found = read_controller_tables(json.dumps(changed))
    assert found.wrong_count == 50
    assert all("there is no device" in wrong and len(wrong) < 2 * module.MAX_TEXT for wrong in found.wrong)
