"""Offers the sink ``webhook``."""

from bssci.sinks.webhook import WebhookSinkFactory
from bssci.system.reactor import installed_reactor

webhook = WebhookSinkFactory(installed_reactor)
