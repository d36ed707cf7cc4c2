"""Alarms: what is wrong now, since when, who knows of it, and whom to tell."""
