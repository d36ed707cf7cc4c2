"""Certificates: issuing, reading, bundles for base stations, and the server side of TLS."""
