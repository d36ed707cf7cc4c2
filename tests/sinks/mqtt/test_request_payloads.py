from __future__ import annotations

import codecs

import pytest

from bssci.model import EUI, parse_sensor
from bssci.model.commands import CommandError
from bssci.settings.rows import MASK
from bssci.sinks.mqtt.request_payloads import (
    LABEL,
    Asked,
    failure_of,
    read_command,
    read_object,
    read_reference,
    read_sensor,
    refuse_dry_run,
    size_error,
)

SENSOR = EUI("70B3D56770110001")
ENTRY = {"nwKey": "00" * 16, "shortAddr": "0001"}


@pytest.mark.parametrize(
    ("payload", "asked"),
    [
        (b" Attach\n", Asked("attach")),
        (b'"detach"', Asked("detach")),
        (b'{"command": "status", "ref": 7}', Asked("status", 7)),
        (b'{"action": "attach", "ref": "a"}', Asked("attach", "a")),
        (codecs.BOM_UTF8 + b"attach", Asked("attach")),
        (codecs.BOM_UTF16_LE + '{"command": "attach"}'.encode("utf-16-le"), Asked("attach")),
        (b"x" * 100, Asked("x" * LABEL)),
    ],
)
def test_a_command_may_be_written_in_several_ways(payload: bytes, asked: Asked) -> None:
    assert read_command(payload)[:2] == asked[:2]


@pytest.mark.parametrize("payload", [b"[1]", b"{", b'{"a": NaN}', b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_malformed(payload: bytes) -> None:
    with pytest.raises(CommandError) as caught:
        read_object("downlink", payload)
    assert caught.value.code == "malformed"
    assert failure_of(caught.value)["field"] == "payload"
    assert read_reference(payload) is None


@pytest.mark.parametrize("name", ["dry_run", "dryRun", "DRY-RUN"])
def test_what_is_only_to_be_checked_is_refused(name: str) -> None:
    payload = f'{{"command": "detach", "ref": 1, "{name}": false}}'.encode()
    for asked in (read_command(payload), read_object("config", payload)):
        with pytest.raises(CommandError, match="nothing was changed") as caught:
            refuse_dry_run(asked.body)
        assert (caught.value.code, caught.value.field) == ("invalid", name)
        assert asked.ref == 1


def test_the_reference_of_a_refused_request_is_had_if_it_is_good() -> None:
    assert read_reference(b'{"ref": 5, "data": "?"}') == 5
    assert read_reference(b'{"ref": [5]}') is None


def test_a_sensor_keeps_what_a_request_does_not_name() -> None:
    new = read_sensor(SENSOR, ENTRY | {"ref": 1})
    assert not new.bidirectional
    known = parse_sensor(ENTRY | {"eui": SENSOR, "bidi": True, "name": "cellar"})
    assert read_sensor(SENSOR, {"name": "attic"}, known).bidirectional


@pytest.mark.parametrize("key", ["", None, MASK])
def test_a_key_that_a_request_does_not_tell_stays(key: str | None) -> None:
    known = parse_sensor(ENTRY | {"eui": SENSOR, "bidi": True, "decoderParameters": {"key": "11"}})
    assert read_sensor(SENSOR, {"nwKey": key, "decoderParameters": MASK}, known) == known
    with pytest.raises(CommandError) as caught:
        read_sensor(SENSOR, ENTRY | {"nwKey": key})
    assert caught.value.field == "nwKey"


@pytest.mark.parametrize(
    ("request_", "field"), [(ENTRY | {"nwKey": "00"}, "nwKey"), (ENTRY | {"eui": "70B3D56770110002"}, "eui")]
)
def test_a_sensor_that_is_wrong_is_refused_by_field(request_: dict[str, str], field: str) -> None:
    with pytest.raises(CommandError) as caught:
        read_sensor(SENSOR, request_)
    assert caught.value.field == field


def test_a_request_that_is_too_large_is_told_its_size() -> None:
    assert failure_of(size_error(70_000)) == {
        "code": "too_large", "message": "70000 bytes; at most 65536 are allowed", "field": "payload",
    }  # fmt: skip
