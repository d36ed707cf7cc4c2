"""Stations, a real Kafka broker, instances of one group: one joins, one is killed, nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install bssci[kafka]")
from bench import chain  # noqa: E402

pytestmark = [pytest.mark.parts, pytest.mark.timeout(300)]


def test_an_instance_that_joins_or_is_killed_loses_nothing_and_another_takes_over(tmp_path: Path) -> None:
    outcome = chain.run(tmp_path, rate=100, seconds=10.0, join=True)
    assert outcome.acknowledged > 500
    assert outcome.stored == outcome.acknowledged
    assert (outcome.undecoded, outcome.out_of_order) == (0, 0)
    assert outcome.taken_over > 0 and outcome.joined > 0
