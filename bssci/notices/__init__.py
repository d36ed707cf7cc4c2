"""Channels that notify people of alarms: e-mail and a webhook."""
