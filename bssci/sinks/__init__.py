"""Where uplinks and events go. Third parties add sinks: see :class:`ISink` and :class:`ISinkFactory`."""

from bssci.sinks.interfaces import ISink, ISinkFactory, SinkSetting

__all__ = ["ISink", "ISinkFactory", "SinkSetting"]
