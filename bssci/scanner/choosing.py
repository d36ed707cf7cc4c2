"""Filters for devices: lists of addresses, parts of addresses, names and companies."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate

from twisted.logger import Logger

from bssci.scanner.advertisement import HeardAdvertisement

MOST = 10_000
"""entries of a list, at most"""
_OCTETS = re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2}){0,5}")
_NO_SEPARATORS = re.compile(r"[0-9A-F]{12}")
_log = Logger()


class DeviceChoice:
    """A list of entries that devices match.

    ::

        AA:BB:CC:DD:EE:FF this address; also with dashes, or without separators
        AA:BB:CC addresses that begin with this; also AA:BB:CC:*
        name:Govee_* names that match the pattern; other entries with * or ? are also patterns of names
        company:0x004c devices that send data of this company

    A wrong entry is ignored: it is logged and listed in :attr:`wrong`.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self.wrong: list[str] = []
        self._addresses: set[str] = set()
        self._prefixes: set[str] = set()
        self._companies: set[int] = set()
        patterns: list[str] = []
        for number, entry in enumerate(entries):
            if number >= MOST:
                self._refuse(f"entry {number + 1} and all after it: at most {MOST} are allowed")
                break
            text = str(entry).strip()
            if not self._add(text, patterns):
                self._refuse(text[:100])
        self._lengths = sorted({len(each) for each in self._prefixes})
        self._names = re.compile("|".join(patterns)) if patterns else None
        self._size = len(self._addresses) + len(self._prefixes) + len(self._companies) + len(patterns)

    def __len__(self) -> int:
        return self._size

    def fits(self, advertisement: HeardAdvertisement) -> bool:
        """Return whether the device matches an entry."""
        address = advertisement.address
        return (
            address in self._addresses
            or any(address[:length] in self._prefixes for length in self._lengths)
            or bool(self._companies and not self._companies.isdisjoint(advertisement.manufacturer_data))
            or bool(self._names and advertisement.name and self._names.fullmatch(advertisement.name))
        )

    def _add(self, text: str, patterns: list[str]) -> bool:
        kind, colon, rest = text.partition(":")
        if colon and kind.lower() == "name":
            if rest.strip():
                patterns.append(translate(rest.strip()))
            return bool(rest.strip())
        if colon and kind.lower() == "company":
            return self._add_company(rest.strip())
        address = text.upper().replace("-", ":").removesuffix(":*").removesuffix("*").removesuffix(":")
        if _NO_SEPARATORS.fullmatch(address):
            address = ":".join(address[at : at + 2] for at in range(0, 12, 2))
        if _OCTETS.fullmatch(address):
            (self._addresses if len(address) == 17 else self._prefixes).add(address)
            return True
        if set(text) & set("*?"):
            patterns.append(translate(text))
            return True
        return False

    def _add_company(self, text: str) -> bool:
        try:
            company = int(text, 0)
        except ValueError:
            return False
        if not 0 <= company <= 0xFFFF:
            return False
        self._companies.add(company)
        return True

    def _refuse(self, entry: str) -> None:
        self.wrong.append(entry)
        if len(self.wrong) <= 10:
            _log.warn("entry of a list not understood {entry}", entry=entry)


class Choice:
    """Block list and allow list. A device passes if it is not on the block list, and is on the allow list
    unless that is empty.
    """

    def __init__(self, blocked: Iterable[str] = (), allowed: Iterable[str] = ()) -> None:
        self.blocked = DeviceChoice(blocked)
        self.allowed = DeviceChoice(allowed)

    def passes(self, advertisement: HeardAdvertisement) -> bool:
        """Return whether the messages of a device are published."""
        if len(self.allowed) and not self.allowed.fits(advertisement):
            return False
        return not (len(self.blocked) and self.blocked.fits(advertisement))
