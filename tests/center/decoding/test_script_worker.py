"""Scripts in real threads on the real reactor."""

from __future__ import annotations

import pytest
from twisted.internet import reactor
from twisted.internet.defer import gatherResults

from bssci.center.decoding.script_threads import ScriptThreads
from bssci.center.decoding.slow import DecodingJob
from bssci.decoders.interfaces import Payload
from bssci.decoders.scripts import ScriptDecoder

pytestmark = pytest.mark.parts

FINE = ScriptDecoder("fine", "function decodeUplink(i) { return {data: {own: i.bytes[0]}}; }")
ENDLESS = ScriptDecoder("endless", "function decodeUplink(i) { while (true); }")


def requests(count: int) -> list[DecodingJob]:
    return [
        DecodingJob(Payload(data=bytes([at % 256]), kind="uplink", device="mioty:0", received_at=0.0), {})
        for at in range(count)
    ]


async def test_a_script_that_never_ends_delays_nobody():
    threads = ScriptThreads(reactor, reactor.callFromThread)
    began = reactor.seconds()
    took: dict[str, float] = {}

    def note(answers, name):
        took[name] = reactor.seconds() - began
        return answers

    endless = threads.decode(ENDLESS, requests(50)).addCallback(note, "endless")
    fine = threads.decode(FINE, requests(50)).addCallback(note, "fine")
    hung, done = await gatherResults([endless, fine])
    assert {answer.failure.code for answer in hung} == {"timeout"}
    assert [answer.readings[0].value for answer in done] == list(range(50))
    assert took["fine"] < took["endless"]
    await threads.stop()
