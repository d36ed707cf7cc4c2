"""The EUI of the service center, where SC_EUI does not set one."""

from __future__ import annotations

import os

from bssci.journal import OWN_EUI, Fact, Journal, Loaded
from bssci.model import EUI


def own_eui(journal: Journal, loaded: Loaded) -> EUI:
    """Return the EUI generated at the first start: locally administered, unlike any vendor's.

    Another one is generated if the stored one is damaged.
    """
    stored = loaded.facts.get(OWN_EUI)
    if stored is not None:
        return EUI(stored)
    drawn = bytearray(os.urandom(8))
    drawn[0] = drawn[0] & 0xFC | 0x02
    eui = EUI(drawn.hex().upper())
    journal.tables.put([Fact(name=OWN_EUI, value=eui)])
    return eui
