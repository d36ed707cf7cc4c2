"""Attachments: which sensors base stations should serve, and the stations' answers."""
