"""Offers the sink ``log``."""

from bssci.sinks.log import LogSinkFactory

log = LogSinkFactory()
