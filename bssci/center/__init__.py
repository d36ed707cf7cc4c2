"""The decisions of a service center: stations, sensors, one uplink once. Knows no transport, HTTP or MQTT."""
