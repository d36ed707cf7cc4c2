"""Telegrams of devices other than mioty sensors: each is taken once, within the limits of its source."""
