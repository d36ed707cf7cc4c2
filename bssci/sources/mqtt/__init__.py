"""The source ``mqtt``: telegrams that gateways publish at any broker."""
