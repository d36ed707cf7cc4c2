"""What a service center does: stations, sensors, one uplink once. Knows no transport, HTTP or MQTT."""
