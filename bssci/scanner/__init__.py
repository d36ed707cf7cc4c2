"""``bssci scan``: a Bluetooth scanner that publishes what it hears by MQTT. A program of its own."""
