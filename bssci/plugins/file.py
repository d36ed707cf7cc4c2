"""Offers the sink ``file``."""

from bssci.sinks.file import FileSinkFactory

file = FileSinkFactory()
