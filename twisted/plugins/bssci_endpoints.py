"""Tells Twisted of endpoints that begin with ``mtls:``."""

from bssci.certificates.listening import MutualTLSParser

mtls = MutualTLSParser()
