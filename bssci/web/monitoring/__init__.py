"""Figures over time: counts, samples, probes, the log, losses."""
