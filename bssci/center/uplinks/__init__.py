"""Uplinks: taken in, merged, and learned from."""
