"""BSSCI as bytes, typed messages and state machines: no reactor, no clock, no storage."""
