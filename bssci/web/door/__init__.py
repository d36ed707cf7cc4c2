"""The live stream for programs that only read: MQTT 3.1.1 over WebSocket, on the port of the web admin."""
