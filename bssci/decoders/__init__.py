"""Bytes in, readings out. Pure: no clock, no files, no reactor.

Third parties add decoders: see :class:`IDecoder` and :class:`IDecoderFactory`.
"""

from bssci.decoders.interfaces import DecodeError, IDecoder, IDecoderFactory, Payload

__all__ = ["DecodeError", "IDecoder", "IDecoderFactory", "Payload"]
