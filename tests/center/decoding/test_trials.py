from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import ensureDeferred, maybeDeferred

from bssci.center.decoding.trials import Apart, Trials
from bssci.decoders.interfaces import Payload
from tests.support.center import result_of
from tests.support.decoders import ScriptsAtOnce

BLUEPRINT = json.dumps(
    {
        "version": "1.0",
        "typeEui": "70B3D59CD0000095",
        "uplink": [{"id": 0, "payload": [{"name": "battery", "size": 8, "type": "uint", "unit": "%"}]}],
        "examples": [
            {"payload": "5F", "readings": {"battery": 95}},
            {"payload": "00", "readings": {"battery": 1}},
        ],
    }
)
SCRIPT = "function decodeUplink(input) { return {data: {first: input.bytes[0]}}; }"


def payload(data: bytes) -> Payload:
    return Payload(data=data, kind="uplink", device="mioty:0000000000000001", received_at=0.0, format=0)


def compiled(trials: Trials, file: str, text: str) -> Any:
    return result_of(ensureDeferred(trials.compile(file, text)))


def test_a_text_is_compiled_and_its_examples_are_tried() -> None:
    trials = Trials(maybeDeferred)
    decoder, examples = compiled(trials, "ours.json", BLUEPRINT)
    assert decoder.name == "ours"
    assert [each.passed for each in examples] == [True, False]
    assert result_of(ensureDeferred(trials.run_examples(decoder))) == examples


@pytest.mark.parametrize(
    ("file", "text"), [("ours.json", "{"), ("ours.txt", BLUEPRINT), ("o u r s!.json", BLUEPRINT)]
)
def test_what_is_wrong_is_refused(file: str, text: str) -> None:
    with pytest.raises(ValueError):
        compiled(Trials(maybeDeferred), file, text)


def test_a_blueprint_is_tried_in_a_thread_with_its_fields() -> None:
    trials = Trials(maybeDeferred)
    decoder, _ = compiled(trials, "ours.json", BLUEPRINT)
    attempt = result_of(ensureDeferred(trials.decode(decoder, payload(b"\x5f"), {})))
    assert [(each.name, each.value) for each in attempt.decoded.readings] == [("battery", 95)]
    assert [each.name for each in attempt.fields] == ["battery"]


def test_a_script_is_tried_beside_the_one_that_is_at_work() -> None:
    pytest.importorskip("quickjs")
    scripts: Any = ScriptsAtOnce()
    trials = Trials(maybeDeferred, scripts)
    decoder, _ = compiled(trials, "own.js", SCRIPT)
    attempt = result_of(ensureDeferred(trials.decode(decoder, payload(b"\x07"), {})))
    assert [each.value for each in attempt.decoded.readings] == [7]
    assert attempt.decoded.decoder == f"own@{decoder.version}"
    assert [name for name, _ in scripts.asked] == [Apart(decoder).name] == ["own beside"]
