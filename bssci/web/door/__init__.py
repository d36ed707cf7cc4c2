"""The live stream: MQTT 3.1.1 over WebSocket on the web admin's port, for programs that only read."""
