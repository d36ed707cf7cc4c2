"""Sinks for uplinks and events. Third parties add sinks: see :class:`ISink` and :class:`ISinkFactory`."""

from bssci.sinks.interfaces import ISink, ISinkFactory, SinkSetting
from bssci.sinks.set_aside import SetAside

__all__ = ["ISink", "ISinkFactory", "SetAside", "SinkSetting"]
