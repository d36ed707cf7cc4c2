"""One format of advertisements as a decoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from zope.interface import implementer

from bssci.decoders.bluetooth.advertisement import Advertisement, read_advertisement
from bssci.decoders.interfaces import DecodeError, IDecoder, IDecoderFactory, Payload, PayloadKind
from bssci.model import Reading

Recognise = Callable[[Advertisement], bool]
ReadAdvertisement = Callable[[Advertisement, Mapping[str, Any]], list[Reading]]


class _Latest:
    """The parsed advertisement of the last payload: every format is asked about the same one in turn."""

    def __init__(self) -> None:
        self._known: tuple[Payload, Advertisement | DecodeError] | None = None

    def __call__(self, payload: Payload) -> Advertisement | DecodeError:
        known = self._known
        if known is not None and known[0] is payload:
            return known[1]
        found: Advertisement | DecodeError
        try:
            found = read_advertisement(payload)
        except DecodeError as error:
            found = error
        self._known = payload, found
        return found


_latest = _Latest()


@implementer(IDecoder)
@dataclass(frozen=True)
class AdvertisementDecoder:
    """Reads advertisements of one format."""

    name: str
    version: str
    recognise: Recognise
    read: ReadAdvertisement
    kinds: ClassVar[tuple[PayloadKind, ...]] = ("telegram",)

    def matches(self, payload: Payload) -> bool:
        if payload.kind not in self.kinds:
            return False
        found = _latest(payload)
        return not isinstance(found, DecodeError) and self.recognise(found)

    def decode(self, payload: Payload, parameters: Mapping[str, Any]) -> list[Reading]:
        found = _latest(payload)
        if isinstance(found, DecodeError):
            raise DecodeError(found.code, found.message)
        return self.read(found, parameters)


@implementer(IDecoderFactory)
@dataclass(frozen=True)
class AdvertisementDecoderFactory:
    """Offers a format of advertisements to the plugin system."""

    name: str
    description: str
    version: str
    recognise: Recognise
    read: ReadAdvertisement
    settings: Sequence[object] = ()

    def build(self, settings: Mapping[str, Any]) -> AdvertisementDecoder:
        return AdvertisementDecoder(self.name, self.version, self.recognise, self.read)
