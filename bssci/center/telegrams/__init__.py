"""Telegrams of devices that are no mioty sensors: each taken once, within the bounds of its source."""
