"""Figures: the service center against a bare server, in one run on one machine. ``make bench``."""
