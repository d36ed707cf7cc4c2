"""Stored events get their readings, apart from what is delivered."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import ensureDeferred, maybeDeferred
from twisted.internet.task import Clock

from bssci.center.decoding.decoding import Decoding
from bssci.center.decoding.payloads import payload_of
from bssci.center.decoding.stored import SlowDecoder, decode_apart, decode_stored
from bssci.center.decoding.wanted import NOTHING_WANTED, ChosenDecoder
from bssci.decoders.library import build_library
from bssci.decoders.running import label
from bssci.model import AnyEvent, Decoded
from tests.support.center import result_of
from tests.support.decoders import ORDINARY, OURS, ScriptsAtOnce
from tests.support.journal import SENSOR, online, uplink

METER = uplink(1, SENSOR, payload=bytes.fromhex(ORDINARY))
SCRIPT = "function decodeUplink(i) { return {data: {n: i.bytes[0]}}; }"
CHOICES = {
    f"mioty:{SENSOR}": ChosenDecoder(decoder="water-meter"),
    "mioty:0000000000000001": ChosenDecoder(decoder="script"),
    "mioty:0000000000000002": ChosenDecoder(decoder="gone"),
}


def made() -> Decoding:
    decoding = Decoding(Clock(), [], wanted)
    decoding.use(
        build_library({"water-meter.json": (OURS / "water-meter.json").read_text(), "script.js": SCRIPT})
    )
    return decoding


def wanted(device: str) -> ChosenDecoder:
    return CHOICES.get(device, NOTHING_WANTED)


def decoded_of(events: list[AnyEvent], slow: ScriptsAtOnce, decoding: Decoding) -> list[Decoded | None]:
    found = result_of(ensureDeferred(decode_stored(events, decoding, wanted, maybeDeferred, slow)))
    assert [type(each) for each in found] == [type(each) for each in events]
    return [getattr(each, "decoded", None) for each in found]


def test_each_event_keeps_its_place_and_nothing_is_counted() -> None:
    decoding, slow = made(), ScriptsAtOnce()
    others: list[AnyEvent] = [uplink(1, f"{number:016X}", payload=b"\7") for number in (1, 2, 3)]
    script, gone, nothing = others
    told = decoded_of([online(), script, METER, gone, nothing], slow, decoding)
    said: list[Any] = [each and (each.decoder, each.failure and each.failure.code) for each in told]
    by_script = label(decoding.decoders["script"])
    assert said == [None, (by_script, None), ("water-meter@1.0", None), ("gone", "no_decoder"), None]
    assert told[2] is not None and told[2].readings[3].value == 77.167
    assert [name for name, _ in slow.asked] == ["script beside"], "live uplinks do not wait for it"
    for name in ("water-meter", "script", "script beside", "gone"):
        assert decoding.by_decoder.get(name) is None
    assert decoding.by_device.get(f"mioty:{SENSOR}") is None


def test_a_script_may_run_in_the_same_thread() -> None:
    decoding, event = made(), uplink(1, "0000000000000001", payload=b"\7")
    payload, choice = payload_of(event, None), ChosenDecoder(decoder="script")
    assert isinstance(decode_apart(decoding, payload, choice, scripts_apart=True), SlowDecoder)
    here = decode_apart(decoding, payload, choice, scripts_apart=False)
    assert isinstance(here, Decoded) and [each.value for each in here.readings] == [7]
