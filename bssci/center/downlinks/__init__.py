"""Downlinks: requests, queueing at base stations, routing, results and acknowledgements."""
