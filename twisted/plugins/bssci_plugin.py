"""Tells twistd of ``bssci``."""

import gc
import signal
from typing import Any

from twisted.application.service import ServiceMaker

from bssci.system.signals import kept_signals


class Maker(ServiceMaker):
    """Keeps signals as soon as twistd was asked for ``bssci``: to import the service takes a second.

    It takes longer if Python looks for garbage meanwhile; the started service lets it again.
    """

    @property
    def options(self) -> Any:
        """Class of the options."""
        kept_signals.keep([signal.SIGHUP, signal.SIGUSR1])
        gc.disable()
        return super().options


bssci = Maker("bssci", "bssci.tap", "A mioty service center: BSSCI in, MQTT and other sinks out.", "bssci")
