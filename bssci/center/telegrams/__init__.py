"""Telegrams of devices other than mioty sensors: each taken once, within the bounds of its source."""
