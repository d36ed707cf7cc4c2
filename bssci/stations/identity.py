"""Whether a certificate may speak for a base station."""

from __future__ import annotations

from collections.abc import Collection

from bssci.model import EUI
from bssci.wire.errors import ErrorCode, ProtocolError


def check_identity(policy: str, station: EUI, named: Collection[EUI]) -> None:
    """Hold the EUIs that a certificate names in CN or SAN against the one of ``con``.

    :param policy: STATION_IDENTITY. ``lenient``: a certificate that names no EUI may speak for any
        station, one that does only for those; ``strict``: it must name the station.
    :raises ProtocolError: EPERM.
    """
    if station not in named and (named or policy == "strict"):
        names = ", ".join(sorted(named)) or "no EUI"
        raise ProtocolError(
            ErrorCode.EPERM, f"the certificate names {names}, not {station} (STATION_IDENTITY={policy})", 0
        )
