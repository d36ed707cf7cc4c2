"""Reports of a sink about itself by its optional attributes, some of which may be faulty."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any, Literal, TypeVar

from twisted.logger import Logger

from bssci.model.own_words import fault_of, one_line, own_words

_Value = TypeVar("_Value")
_COUNTS = ("queued", "oldest_seconds", "answered", "failed", "rate")
"""numbers among the figures of requests"""


class SelfReport:
    """Reports of one sink about itself.

    An attribute that cannot be used counts as missing, and :attr:`warning` says so.

    :param name: the sink's name.
    :param sink: an :class:`bssci.sinks.ISink`.
    """

    log = Logger()

    def __init__(self, name: str, sink: Any) -> None:
        self._name = name
        self._sink = sink
        self._faults: dict[str, str] = {}
        """by attribute, what was wrong with it when it was read last"""

    @property
    def trouble(self) -> str:
        """Reason why the sink cannot deliver now; empty if it gives none."""
        return own_words(self._sink, "trouble")

    @property
    def warning(self) -> str:
        """Something that is wrong although the sink delivers; empty if there is nothing."""
        return "; ".join(filter(None, [own_words(self._sink, "warning"), *self._faults.values()]))

    @property
    def reached(self) -> bool:
        """Return whether the other side has answered since the start; True if the sink does not say."""
        return self._read("reached", bool, True)

    @property
    def replayable(self) -> bool | Literal["asked"]:
        """Return whether stored messages may be delivered again; ``"asked"``: only if the request says so."""
        return self._read("replayable", self._replayable, False)

    @property
    def gathering(self) -> bool:
        """Return whether the sink takes events of a replay although a delivery is under way."""
        return hasattr(self._sink, "deliver_again") and self._read("gathering", bool, False)

    def set_aside(self) -> tuple[int, str]:
        """Return the number of events that the sink set aside, and the reason for the newest."""
        return self._read("set_aside", self._set_aside, (0, ""))

    def requests(self) -> dict[str, Any] | None:
        """Return the figures of the requests that the sink takes; None if it takes none, or cannot tell."""
        return self._read("request_figures", self._requests, None)

    def _read(self, attribute: str, read: Callable[[Any], _Value], missing: _Value) -> _Value:
        try:
            found = getattr(self._sink, attribute, None)
            value = missing if found is None else read(found)
        except Exception as error:  # a third party's attribute may be or raise anything
            if attribute not in self._faults:
                self.log.failure("sink's {attribute} not usable {name}", attribute=attribute, name=self._name)
            self._faults[attribute] = f"its {attribute} cannot be used: {fault_of(error)}"
            return missing
        self._faults.pop(attribute, None)
        return value

    @staticmethod
    def _replayable(found: Any) -> bool | Literal["asked"]:
        if found is True or found is False or found == "asked":
            return found  # type: ignore[no-any-return]
        raise ValueError(f"it is {found!r}; False, True or 'asked' is allowed")

    @staticmethod
    def _set_aside(found: Any) -> tuple[int, str]:
        return int(found.count), one_line(str(found.last_reason))

    @staticmethod
    def _requests(found: Any) -> dict[str, Any]:
        figures = dict(found())
        for name in _COUNTS:
            if not isfinite(figures[name]):
                raise ValueError(f"{name} is {figures[name]!r}")
        figures["failing"] = bool(figures["failing"])
        if "misaddressed" in figures:
            figures["misaddressed"] = int(figures["misaddressed"])
        if "trouble" in figures:
            figures["trouble"] = one_line(str(figures["trouble"] or ""))
        return figures
