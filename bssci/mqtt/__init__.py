"""An MQTT client of its own, the embedded broker, and a trial connection. Knows no service center."""
