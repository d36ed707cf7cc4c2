"""Offers the decoder ``mbus``."""

from bssci.decoders.mbus import MBusDecoderFactory

mbus = MBusDecoderFactory()
