"""Devices: the sensors of endpoints.json, and the knowledge about each."""
