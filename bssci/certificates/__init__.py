"""Certificates: issuing and reading them, bundles for base stations, and the server side of TLS."""
