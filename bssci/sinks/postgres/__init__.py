"""The sink ``postgres``: telegrams, readings, devices, gateways and events in PostgreSQL."""
