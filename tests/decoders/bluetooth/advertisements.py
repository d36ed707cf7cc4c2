"""Decoders of advertisements, run on one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bssci.decoders.bluetooth.decoder import AdvertisementDecoderFactory
from bssci.decoders.interfaces import DecodeError, Payload

Scan = Callable[..., Payload]
Values = dict[str, float]


def values(
    factory: AdvertisementDecoderFactory, payload: Payload, parameters: Mapping[str, Any] = {}
) -> Values:
    decoder = factory.build({})
    return {reading.name: reading.value for reading in decoder.decode(payload, parameters)}  # type: ignore[misc]


def error(factory: AdvertisementDecoderFactory, payload: Payload, parameters: Mapping[str, Any] = {}) -> str:
    with pytest.raises(DecodeError) as caught:
        factory.build({}).decode(payload, parameters)
    return caught.value.code
