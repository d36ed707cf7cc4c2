"""Past readings of devices: messages in the journal, decoded again.

    journal --pages, newest first--> a thread decodes --> collected: points, or steps of time
                                     scripts in theirs

The reactor's thread only passes pages on. Messages are decoded by the present decoders; earlier answers
(:mod:`bssci.center.decoding.remembered`) are reused only if they come from the same decoders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from math import floor
from typing import Any

from twisted.internet.defer import ensureDeferred

from bssci.center.decoding.collecting import Collector, Past, time_of, time_of_telegram
from bssci.center.decoding.decoding import Decoding
from bssci.center.decoding.payloads import DeviceId, payload_of, payload_of_reception
from bssci.center.decoding.remembered import Question, RememberedSteps
from bssci.center.decoding.slow import DecodingJob, SlowDecoding
from bssci.center.decoding.stored import SlowDecoder, decode_apart
from bssci.center.decoding.trials import run_apart
from bssci.center.decoding.wanted import ChosenDecoder
from bssci.center.devices import presence
from bssci.decoders.interfaces import Payload
from bssci.decoders.running import label
from bssci.journal import Journal
from bssci.model import Reception, Telegram, VariableMacUplink
from bssci.model.device_id import eui_of_device
from bssci.system.clock import RunInThread

FIRST_PAGE = 200
"""messages in the first page"""
GROWTH = 4
"""factor by which each page is larger than the one before"""
LAST_PAGE = 5_000
"""messages in a page, at most; the queue of a script has room for two such pages"""
MAX_UPLINKS = 100_000
"""messages that are decoded for one query, at most"""

KeptMessage = Reception | Telegram | VariableMacUplink
HeardPage = Sequence[tuple[int, KeptMessage]]
"""messages with their numbers; uplinks as their best receptions"""


class PastReadings:
    """Answers queries for past readings.

    :param wanted: returns the configured choice for a device, by its id.
    :param slow: runs scripts; None: they run in a thread like other decoders.
    """

    def __init__(
        self,
        journal: Journal,
        decoding: Decoding,
        wanted: Callable[[str], ChosenDecoder],
        run_in_thread: RunInThread,
        slow: SlowDecoding | None = None,
    ) -> None:
        self._journal = journal
        self._decoding = decoding
        self._wanted = wanted
        self._run_in_thread = run_in_thread
        self._slow = slow
        self._remembered = RememberedSteps()

    async def read(
        self,
        device: DeviceId,
        since: float,
        until: float,
        *,
        every: float | None = None,
        names: frozenset[str] = frozenset(),
        most: int = 1000,
    ) -> Past:
        """Return the readings of a device in a span of time.

        :param since: Unix seconds, inclusive; extended to the beginning of an interval if ``every`` is given.
        :param until: Unix seconds, exclusive.
        :param every: length in s of the intervals to summarise; None: return each value.
        :param names: names of the readings to return; empty: all.
        :param most: newest values, or intervals, to return for each name.
        """
        if every is None:
            collector = Collector(since, until, every, names, most)
            await self._read_back(device, since, 0, collector, ahead=False)
            return collector.result()
        question = Question(device, floor(since / every) * every, every, names, most)
        wanted, decoders = self._wanted(device), self._decoding.decoders
        known, earlier = self._remembered.find(question, until, wanted, decoders)
        collector = Collector(question.since, until, every, names, most)
        last_seq = await self._read_back(device, question.since, known, collector, ahead=True)
        if earlier is not None:
            collector.take_over(earlier)
        past = collector.result()
        self._remembered.keep(question, until, wanted, decoders, last_seq, collector)
        return past

    async def _read_back(
        self, device: DeviceId, since: float, known: int, collector: Collector, *, ahead: bool
    ) -> int:
        """Collect backwards from the newest message; return its number.

        :param known: number of the newest message that need not be read.
        :param ahead: read the next page while one is decoded, as all pages are needed.
        """
        left, size = MAX_UPLINKS, FIRST_PAGE
        page = await self._page(device, None, min(size, left))
        newest = page[0][0] if page else known
        while page and page[-1][0] > known and _received_at(page[-1][1]) >= since:
            left -= size
            size = min(size * GROWTH, LAST_PAGE, left)
            ask = partial(self._page, device, page[-1][0], size)
            next_page = ensureDeferred(ask()) if size > 0 and ahead else None
            await self._collect(device, page, collector)
            if size <= 0:
                collector.cut()
            if size <= 0 or collector.is_full:
                return newest
            page = await (ask() if next_page is None else next_page)
        await self._collect(device, [each for each in page if each[0] > known], collector)
        return newest

    async def newest(self, device: DeviceId, count: int, beside: Telegram | None = None) -> Past:
        """Return all readings of a device's newest messages.

        :param beside: a further message, which may be older than these.
        """
        page = list(await self._page(device, None, count))
        if beside is not None and all(getattr(heard, "id", "") != beside.id for _, heard in page):
            page.append((0, beside))
        collector = Collector(float("-inf"), float("inf"), None, frozenset(), count)
        await self._collect(device, page, collector)
        return collector.result()

    async def _page(self, device: DeviceId, before: int | None, limit: int) -> HeardPage:
        history = self._journal.history
        eui = eui_of_device(device)
        if eui is not None:
            return await history.receptions_of_sensor(eui, before=before, limit=limit)
        return await history.telegrams_of_device(device, before=before, limit=limit)

    async def _collect(self, device: DeviceId, page: HeardPage, collector: Collector) -> None:
        wanted = self._wanted(device)
        scripts = await self._run_in_thread(
            _read_page, self._decoding, device, page, wanted, collector, self._slow
        )
        for decoder, chosen in scripts:
            assert self._slow is not None  # what is left for it was left because there is one
            requests = [DecodingJob(payload, wanted.parameters) for _, payload in chosen]
            answers = await run_apart(self._slow, decoder, requests)
            for (at, _), decoded in zip(chosen, answers, strict=True):
                collector.add(at, decoded)


def _read_page(
    decoding: Decoding,
    device: DeviceId,
    page: HeardPage,
    wanted: ChosenDecoder,
    collector: Collector,
    slow: object,
) -> list[tuple[Any, list[tuple[float, Payload]]]]:
    """Decode and collect a page, in a thread; return the payloads for each script, with their times."""
    scripts: dict[int, tuple[Any, list[tuple[float, Payload]]]] = {}
    blueprint = decoding.blueprint_of(wanted)
    named = "" if blueprint is None else label(blueprint)
    for _, heard in page:
        at = _sent_at(heard)
        if not collector.covers(at):
            continue
        if blueprint is not None and isinstance(heard, Reception):
            with suppress(Exception):  # run() below will run into it again, and report it
                readings = blueprint.read(heard.payload, heard.format, wanted.parameters)
                collector.add_readings(at, named, readings)
                continue
        if isinstance(heard, Reception):
            payload = payload_of_reception(heard, device, wanted.type_eui)
        else:
            payload = payload_of(heard, wanted.type_eui)
        result = decode_apart(decoding, payload, wanted, scripts_apart=slow is not None)
        if isinstance(result, SlowDecoder):
            scripts.setdefault(id(result.decoder), (result.decoder, []))[1].append((at, payload))
        else:
            collector.add(at, result, counts=getattr(heard, "source", "") != presence.SOURCE)
    return list(scripts.values())


def _sent_at(heard: KeptMessage) -> float:
    return time_of(heard) if isinstance(heard, Reception) else time_of_telegram(heard)


def _received_at(heard: KeptMessage) -> float:
    return heard.received_at if isinstance(heard, Reception) else heard.at
