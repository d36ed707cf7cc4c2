"""Devices: the sensors of endpoints.json, other devices, and the gateways that forward them."""
