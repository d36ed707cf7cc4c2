"""The server's side of MQTT 3.1.1 for clients that only read: bytes in, packets out. No clock, no I/O."""
