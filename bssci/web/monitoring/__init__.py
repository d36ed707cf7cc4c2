"""Monitoring: rates, samples for charts, probes, log lines, and losses."""
