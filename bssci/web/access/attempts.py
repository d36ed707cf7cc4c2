"""Limits on attempts to log in: counted by account and by address, in bounded memory.

Nobody is locked out by others: a guesser is stopped at their own address, and if many
addresses guess at once, all log-ins take a little longer.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from ipaddress import IPv6Address, ip_address

from twisted.internet.defer import Deferred, succeed

from bssci.system.clock import Clock, pause

PERIOD = 300.0
"""s for which a wrong password counts"""
PER_ACCOUNT = 8
"""failures in a period, at one account from one address"""
PER_ADDRESS = 30
UNHURRIED = 100
"""failures in a period, of all, from which on everybody waits"""
DELAY = 0.05
"""s that each further one adds"""
MAX_DELAY = 5.0
"""s that an attempt is held up, at most"""
MAX_REMEMBERED = 10_000
"""accounts and addresses; beyond, the longest untouched is forgotten"""

AttemptKey = tuple[str, str]
"""account and address; no account: the address alone"""


class Attempts:
    """Failed log-ins of the last minutes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[AttemptKey, deque[float]] = OrderedDict()
        self._all: deque[float] = deque(maxlen=UNHURRIED + round(MAX_DELAY / DELAY))

    def __len__(self) -> int:
        return len(self._failures)

    def wait(self, account: str, address: str) -> float:
        """Return the seconds until another attempt is allowed; 0 if it is now."""
        now = self._clock.seconds()
        waits = [
            failures[0] + PERIOD - now
            for key, limit in _keys(account, address)
            if (failures := self._failures.get(key)) is not None and len(_recent(failures, now)) >= limit
        ]
        return max(waits, default=0.0)

    def failed(self, account: str, address: str) -> None:
        """Count one. To be called before the password is looked at, so that none slips in beside."""
        now = self._clock.seconds()
        for key, limit in _keys(account, address):
            failures = self._failures.setdefault(key, deque(maxlen=limit))
            _recent(failures, now).append(now)
            self._failures.move_to_end(key)
        self._all.append(now)
        while len(self._failures) > MAX_REMEMBERED:
            self._failures.popitem(last=False)

    def succeeded(self, account: str, address: str) -> None:
        """Forget the failures at the account from there, and this attempt otherwise."""
        own, of_address = (key for key, _ in _keys(account, address))
        self._failures.pop(own, None)
        for failures in (self._failures.get(of_address), self._all):
            if failures:
                failures.pop()

    def slow_down(self) -> Deferred[None]:
        """Wait until the password may be looked at: not at all, unless very many were wrong lately."""
        delay = (len(_recent(self._all, self._clock.seconds())) - UNHURRIED) * DELAY
        return pause(self._clock, delay) if delay > 0 else succeed(None)


def _keys(account: str, address: str) -> tuple[tuple[AttemptKey, int], tuple[AttemptKey, int]]:
    network = _network(address)
    return ((account, network), PER_ACCOUNT), (("", network), PER_ADDRESS)


def _network(address: str) -> str:
    """Return the addresses that one customer of a provider holds: an IPv4 address, or an IPv6 /64."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(int(parsed) >> 64) if isinstance(parsed, IPv6Address) and not parsed.ipv4_mapped else address


def _recent(failures: deque[float], now: float) -> deque[float]:
    while failures and failures[0] <= now - PERIOD:
        failures.popleft()
    return failures
