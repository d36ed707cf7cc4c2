"""Downlinks: requested, queued at a base station, moved, and told what became of them."""
