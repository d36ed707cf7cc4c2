"""Reverse proxies in front of the web admin: the real client address, scheme and path prefix."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from twisted.internet.interfaces import IAddress
from twisted.logger import Logger
from twisted.web.http import Request

from bssci.settings.parsers import UNIX

_PREFIX = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_MAX_PREFIX = 200
"""longest prefix of a path, in characters"""
_MAX_HOPS = 20
"""addresses of X-Forwarded-For that are examined, from the end"""
_HEADERS = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-prefix")

Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class Visit:
    """The client's side of a request: taken from the connection, or from the headers of a trusted proxy.

    :ivar address: address of the client; empty if it came through a Unix socket.
    :ivar is_secure: the client uses TLS.
    :ivar prefix: path below which the client finds the web admin: empty, or ``/mioty``.
    """

    address: str = ""
    is_secure: bool = False
    prefix: str = ""


class TrustedProxies:
    """The proxies whose X-Forwarded-For, -Proto and -Prefix are used.

    :param trusted: addresses, networks and :data:`UNIX`.
    """

    log = Logger()

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        names = set(trusted)
        self._unix = UNIX in names
        self._networks: list[IPv4Network | IPv6Network] = [
            ip_network(each, strict=False) for each in sorted(names - {UNIX})
        ]
        self._is_told = False

    def trusts(self, peer: IAddress | None) -> bool:
        """Return whether the other end of a connection is a trusted proxy."""
        host = getattr(peer, "host", None)
        if host is None:
            return self._unix
        address = _address(str(host))
        return address is not None and self._covers(address)

    def visit(self, request: Request) -> Visit:
        """Return the client's side of a request."""
        peer = request.getClientAddress()
        host = str(getattr(peer, "host", None) or "")
        if not self.trusts(peer):
            self._tell_once(request, host)
            return Visit(host, request.isSecure())
        scheme = (request.getHeader("x-forwarded-proto") or "").partition(",")[0].strip().lower()
        return Visit(
            self._client(request, host),
            scheme == "https" if scheme else request.isSecure(),
            _prefix(request.getHeader("x-forwarded-prefix") or ""),
        )

    def _client(self, request: Request, nearest: str) -> str:
        """Return the last address that is not a trusted proxy's; the addresses before it may be forged."""
        headers = request.requestHeaders.getRawHeaders("x-forwarded-for", [])
        hops = ",".join(headers).split(",")
        for hop in reversed(hops[-_MAX_HOPS:]):
            address = _address(hop.strip())
            if address is None:
                break
            nearest = str(address)
            if not self._covers(address):
                break
        return nearest

    def _covers(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def _tell_once(self, request: Request, host: str) -> None:
        if self._is_told or not any(request.getHeader(name) for name in _HEADERS):
            return
        self._is_told = True
        self.log.info(
            "X-Forwarded headers of {address} are ignored: TRUSTED_PROXIES does not name it",
            address=host or "a Unix socket",
        )


def visit_of(request: Request) -> Visit:
    """Return the client's side of a request that a site has begun to process."""
    visit: Visit = getattr(request, "visit", Visit())
    return visit


def _address(text: str) -> Address | None:
    """Parse an address as proxies write it: alone, ``[2001:db8::1]:443`` or ``192.0.2.1:443``; None if it is
    not one.
    """
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _prefix(text: str) -> str:
    path = text.strip().rstrip("/")
    return path if len(path) <= _MAX_PREFIX and _PREFIX.fullmatch(path) else ""
