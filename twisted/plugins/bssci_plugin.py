"""Tells twistd of ``bssci``."""

from twisted.application.service import ServiceMaker

bssci = ServiceMaker(
    "bssci", "bssci.tap", "A mioty service center: BSSCI in, MQTT and other sinks out.", "bssci"
)
