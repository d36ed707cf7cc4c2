"""A mioty service center: base stations in over BSSCI, uplinks out to sinks."""

__version__ = "0.1.0"
