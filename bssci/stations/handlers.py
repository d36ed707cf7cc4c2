"""Look-up of the methods that handle the messages of each kind of operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from bssci.wire.messages import Request, command_of
from bssci.wire.operations import CLASSES


def methods(parts: Sequence[object], prefix: str) -> dict[type[Request], Callable[..., None]]:
    """Return the methods of ``parts`` by their class of request: ``handle_ulData`` for ``UlData``.

    :param prefix: ``handle_``, ``finish_``, ``complete_`` or ``cancel_``.
    """
    return {
        request: getattr(part, name)
        for request, name in _names(prefix)
        for part in parts
        if hasattr(part, name)
    }


@cache
def _names(prefix: str) -> list[tuple[type[Request], str]]:
    """Return every class of request with the name of the method for it."""
    requests = [each for each in CLASSES if issubclass(each, Request)]
    return [(each, prefix + command_of(each).replace(".", "_")) for each in requests]
