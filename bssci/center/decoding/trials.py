"""Trying out decoders on any payload: a loaded one, or the text of a file yet to be saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from bssci.center.decoding.patience import WATCHED_KINDS
from bssci.center.decoding.script_worker import LoadedScript
from bssci.center.decoding.slow import DecodingJob, SlowDecoding
from bssci.decoders.examples import ExampleResult
from bssci.decoders.interfaces import Payload
from bssci.decoders.library import ReadFile, check_file, examples_of
from bssci.decoders.running import Attempt, label, try_out
from bssci.decoders.scripts import ScriptDecoder
from bssci.model import Decoded
from bssci.system.clock import RunInThread


class Apart:
    """A script under another name, so that trials and past readings do not delay live uplinks."""

    def __init__(self, decoder: Any) -> None:
        self.name = f"{decoder.name} beside"
        self.version = decoder.version
        self._decoder = decoder

    def engine(self) -> LoadedScript:
        """Return an engine, as :class:`bssci.decoders.scripts.ScriptDecoder` does."""
        engine: LoadedScript = self._decoder.engine()
        return engine


async def run_apart(slow: SlowDecoding, decoder: Any, jobs: Sequence[DecodingJob]) -> list[Decoded]:
    """Return a script's answers, in the order of the jobs, under its own name."""
    answers = await slow.decode(Apart(decoder), jobs)
    return [msgspec.structs.replace(decoded, decoder=label(decoder)) for decoded in answers]


class Trials:
    """Runs decoders for trials, outside the reactor's thread.

    :param slow: runs scripts; None: they run in a thread like other decoders.
    """

    def __init__(
        self,
        run_in_thread: RunInThread,
        slow: SlowDecoding | None = None,
        kinds: Mapping[str, ReadFile] = WATCHED_KINDS,
    ) -> None:
        self._run_in_thread = run_in_thread
        self._slow = slow
        self._kinds = kinds

    async def compile(self, file: str, text: str) -> tuple[Any, list[ExampleResult]]:
        """Return the decoder that a file with this text would define, and the results of its examples.

        :raises ValueError: the text is invalid; DefinitionError if the line is known.
        """
        compiled: tuple[Any, list[ExampleResult]] = await self._run_in_thread(
            check_file, file, text, self._kinds
        )
        return compiled

    async def run_examples(self, decoder: Any) -> list[ExampleResult]:
        """Run a decoder's own examples, and return their results."""
        results: list[ExampleResult] = await self._run_in_thread(examples_of, decoder)
        return results

    async def decode(self, decoder: Any, payload: Payload, parameters: Mapping[str, Any]) -> Attempt:
        """Run a decoder on a payload; return the readings, and the bits of each field if it reports them."""
        if self._slow is None or not isinstance(decoder, ScriptDecoder):
            attempt: Attempt = await self._run_in_thread(try_out, decoder, payload, parameters)
            return attempt
        [decoded] = await run_apart(self._slow, decoder, [DecodingJob(payload, parameters)])
        return Attempt(decoded=decoded)
