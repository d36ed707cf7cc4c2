"""What a service center does: stations, sensors, one uplink once. Knows no transport, HTTP or MQTT."""

from bssci.center.service_center import ServiceCenter
from bssci.model.commands import CommandError

__all__ = ["CommandError", "ServiceCenter"]
