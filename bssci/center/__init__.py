"""What a service center does: stations, sensors, one uplink once. Knows no transport, HTTP or MQTT."""

from bssci.center.errors import CommandError
from bssci.center.service_center import ServiceCenter

__all__ = ["CommandError", "ServiceCenter"]
