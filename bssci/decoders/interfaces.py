"""The interface of a decoder, for authors of decoders: see ``docs/plugins.md``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from zope.interface import Attribute, Interface

PayloadKind = Literal["uplink", "variable-mac", "telegram"]
"""origin of a payload: a mioty uplink, a telegram of a station's variable MAC, a source's telegram"""
KINDS: tuple[PayloadKind, ...] = ("uplink", "variable-mac", "telegram")


class Payload(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The input of a decoder: the bytes of one message, and the facts that say how to read them."""

    data: bytes
    kind: PayloadKind
    device: str
    """``mioty:{EUI}``, ``ble:{MAC}``, ... : the sender"""
    received_at: float
    """Unix seconds of the service center's clock"""
    format: int = 0
    """the telegram's format byte; 0..255"""
    type_eui: str | None = None
    """typeEui of a mioty sensor whose configuration states it: 16 upper-case hexadecimal digits"""
    mac_type: int | None = None
    """MAC type of a telegram of the variable MAC"""
    envelope: Mapping[str, Any] = {}
    """the message that a telegram's bytes came in"""


class DecodeError(Exception):
    """A payload cannot be read.

    :ivar code: short and stable: ``too_short``, ``too_long``, ``empty``, ``unknown_format``, ...
    :ivar message: one line with the place: which component, which byte.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class IDecoder(Interface):
    """Reads payloads. Pure and fast: no files, no network, no waiting; equal bytes give equal readings."""

    name = Attribute("how a sensor's ``decoder`` names it: unique")
    version = Attribute("a short text that changes whenever the readings of some payload may change")

    def matches(payload):
        """Return whether this decoder recognises a :class:`Payload` of a sensor that names no decoder.

        A decoder with an attribute ``kinds``, some of :data:`KINDS`, is only asked about these.

        :rtype: bool
        """

    def decode(payload, parameters):
        """Return the readings in a :class:`Payload`.

        :param parameters: ``decoderParameters`` of the sensor: a mapping, perhaps empty.
        :rtype: list of :class:`bssci.model.Reading`
        :raises DecodeError: it cannot be read. Any other exception is reported as a fault of the decoder.
            Either affects only the readings of this message.
        """


class IDecoderFactory(Interface):
    """Makes a decoder. A module in ``bssci.plugins`` offers an object that provides this."""

    name = Attribute("lower-case letters, digits, ``_`` and ``-``; unique among decoders")
    description = Attribute("one line for people")
    settings = Attribute("a sequence, perhaps empty, of the settings of its own that it needs")

    def build(settings):
        """Return the decoder.

        :param settings: the value of each of :attr:`settings`, parsed, by its name.
        :rtype: IDecoder
        :raises ValueError: with one line that says which setting to change.
        """
