"""``bssci scan``: a Bluetooth scanner, run as a program of its own, that publishes what it hears by MQTT."""
