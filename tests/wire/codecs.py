"""Both codecs of the wire, and what they refuse."""

from __future__ import annotations

import pytest

from bssci.wire.codec import Codec, Encoding
from bssci.wire.errors import ProtocolError

MSGPACK, JSON = Codec(Encoding.MESSAGEPACK), Codec(Encoding.JSON)
BOTH = pytest.mark.parametrize("codec", [MSGPACK, JSON], ids=["msgpack", "json"])


def refusal(payload: bytes, codec: Codec = MSGPACK) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        codec.decode(payload)
    return caught.value
