"""The sink ``mqtt``: client, embedded broker, payloads and requests."""
