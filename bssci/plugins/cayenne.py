"""Offers the decoder ``cayenne``."""

from bssci.decoders.cayenne import CayenneFactory

cayenne = CayenneFactory()
