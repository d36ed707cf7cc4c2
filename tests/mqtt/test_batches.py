"""A batch is over when the broker has answered for each of its messages."""

from __future__ import annotations

from bssci.mqtt.batches import PublishBatch
from bssci.mqtt.values import MessagesRefused, Publication, PublishRefusal


def test_it_says_which_were_refused_in_their_order() -> None:
    batch = PublishBatch([Publication("t", b"1")] * 3)
    outcome: list[object] = []
    batch.done.addErrback(lambda failure: outcome.append(failure.value))
    batch.refused = {2: PublishRefusal(0x87, "not authorized"), 0: PublishRefusal(0x95, "packet too large")}
    batch.complete()
    [error] = outcome
    assert isinstance(error, MessagesRefused) and list(error.refused) == [0, 2]
    assert str(error) == "the broker refused 2 messages: packet too large"


def test_nothing_refused_is_no_error() -> None:
    batch, outcome = PublishBatch([Publication("t", b"1")]), []
    batch.done.addCallback(outcome.append)
    batch.complete()
    assert outcome == [None]
