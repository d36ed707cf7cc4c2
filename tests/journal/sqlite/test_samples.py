"""Figures for charts: summed up by steps of time, and forgotten."""

from __future__ import annotations


async def test_steps_and_what_is_older_than_the_charts(journal):
    for at, value in ((0.0, 1.0), (1.0, 3.0), (10.0, 8.0)):
        await journal.samples.store(at, {"uplinks": value, "other": 100.0}, forget_before=0.0)
    assert await journal.samples.read("uplinks", since=0.0, step=10.0) == [
        (0.0, 2.0, 1.0, 3.0),
        (10.0, 8.0, 8.0, 8.0),
    ]
    await journal.samples.store(20.0, {"uplinks": 5.0}, forget_before=10.0)
    assert [row[0] for row in await journal.samples.read("uplinks", since=0.0, step=10.0)] == [10.0, 20.0]
