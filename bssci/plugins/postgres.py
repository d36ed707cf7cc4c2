"""Offers the sink ``postgres``."""

from bssci.sinks.postgres.plugin import PostgresSinkFactory
from bssci.system.reactor import installed_reactor

postgres = PostgresSinkFactory(installed_reactor)
