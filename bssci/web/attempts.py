"""How often somebody may try to log in: counted by account and by address, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

PERIOD = 300.0
"""s"""
PER_ACCOUNT = 8
"""failures in a period"""
PER_ADDRESS = 30
MAX_REMEMBERED = 10_000
"""accounts and addresses; beyond, the longest untouched is forgotten"""


class Attempts:
    """Failures of late.

    :param seconds: a clock that only goes forward.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._failures: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failures)

    def wait(self, account: str, address: str) -> float:
        """s until another attempt is allowed; 0 if it is now."""
        now = self._seconds()
        waits = [
            failures[0] + PERIOD - now
            for key, limit in self._keys(account, address)
            if (failures := self._recent(key, now)) is not None and len(failures) >= limit
        ]
        return max(waits, default=0.0)

    def failed(self, account: str, address: str) -> None:
        """Count one. To be called before the password is looked at, so that none slips in beside."""
        now = self._seconds()
        for key, limit in self._keys(account, address):
            failures = self._recent(key, now)
            if failures is None:
                failures = self._failures[key] = deque(maxlen=limit)
            failures.append(now)
            self._failures.move_to_end(key)
        while len(self._failures) > MAX_REMEMBERED:
            self._failures.popitem(last=False)

    def succeeded(self, account: str, address: str) -> None:
        """Forget the account's failures, and this attempt of the address."""
        self._failures.pop(("account", account), None)
        failures = self._failures.get(("address", address))
        if failures:
            failures.pop()

    def _recent(self, key: tuple[str, str], now: float) -> deque[float] | None:
        failures = self._failures.get(key)
        if failures is None:
            return None
        while failures and failures[0] <= now - PERIOD:
            failures.popleft()
        return failures

    @staticmethod
    def _keys(account: str, address: str) -> tuple[tuple[tuple[str, str], int], ...]:
        return ((("account", account), PER_ACCOUNT), (("address", address), PER_ADDRESS))
