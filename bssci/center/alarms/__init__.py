"""Alarms: conditions that need attention, their history, acknowledgement and notification."""
