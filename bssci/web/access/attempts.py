"""Limits on attempts to log in, counted by account and by address, in bounded memory.

Nobody can lock out others: an address that guesses passwords is stopped itself, and if many addresses guess
at the same time, all log-ins take a little longer.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from ipaddress import IPv6Address, ip_address

from twisted.internet.defer import Deferred, succeed

from bssci.system.clock import Clock, pause

PERIOD = 300.0
"""s for which a failure counts"""
PER_ACCOUNT = 8
"""failures in a period for one account from one address, at most"""
PER_ADDRESS = 30
UNHURRIED = 100
"""failures in a period in total, above which every attempt is delayed"""
DELAY = 0.05
"""s that each further failure adds to the delay"""
MAX_DELAY = 5.0
"""longest delay of an attempt, in s"""
MAX_REMEMBERED = 10_000
"""entries; when there are more, the one unchanged for longest is forgotten"""

MAX_NAME = 100
"""characters of a name that are kept: accounts have shorter ones, but anything may be typed"""

AttemptKey = tuple[str, str]
"""account and address; with an empty account, the address alone"""


class Attempts:
    """Failed log-ins of the last minutes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[AttemptKey, deque[float]] = OrderedDict()
        self._all: deque[float] = deque(maxlen=UNHURRIED + round(MAX_DELAY / DELAY))

    def __len__(self) -> int:
        return len(self._failures)

    def wait(self, account: str, address: str) -> float:
        """Return the seconds until another attempt is allowed; 0 if it is allowed now."""
        now = self._clock.seconds()
        waits = [
            failures[0] + PERIOD - now
            for key, limit in _keys(account, address)
            if (failures := self._failures.get(key)) is not None and len(_recent(failures, now)) >= limit
        ]
        return max(waits, default=0.0)

    def failed(self, account: str, address: str) -> None:
        """Count a failure. This is called before the password is checked, so that attempts at the same time
        count, too.
        """
        now = self._clock.seconds()
        for key, limit in _keys(account, address):
            failures = self._failures.setdefault(key, deque(maxlen=limit))
            _recent(failures, now).append(now)
            self._failures.move_to_end(key)
        self._all.append(now)
        while len(self._failures) > MAX_REMEMBERED:
            self._failures.popitem(last=False)

    def succeeded(self, account: str, address: str) -> None:
        """Remove the failures of the account from this address, and this attempt from the other counts."""
        own, of_address = (key for key, _ in _keys(account, address))
        self._failures.pop(own, None)
        for failures in (self._failures.get(of_address), self._all):
            if failures:
                failures.pop()

    def void(self, account: str, address: str) -> None:
        """Remove this attempt from all counts: the password could not be checked."""
        for failures in (*(self._failures.get(key) for key, _ in _keys(account, address)), self._all):
            if failures:
                failures.pop()

    def slow_down(self) -> Deferred[None]:
        """Return a Deferred that fires when the password may be checked: at once, unless there were very many
        failures recently.
        """
        delay = (len(_recent(self._all, self._clock.seconds())) - UNHURRIED) * DELAY
        return pause(self._clock, delay) if delay > 0 else succeed(None)


def _keys(account: str, address: str) -> tuple[tuple[AttemptKey, int], tuple[AttemptKey, int]]:
    network = _network(address)
    return ((account[:MAX_NAME], network), PER_ACCOUNT), (("", network), PER_ADDRESS)


def _network(address: str) -> str:
    """Return the network that counts as one address: the IPv4 address itself, or the /64 of an IPv6
    address.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(int(parsed) >> 64) if isinstance(parsed, IPv6Address) and not parsed.ipv4_mapped else address


def _recent(failures: deque[float], now: float) -> deque[float]:
    while failures and failures[0] <= now - PERIOD:
        failures.popleft()
    return failures
