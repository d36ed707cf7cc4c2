"""Pages of the decoders."""

from __future__ import annotations

from typing import Any

from bssci.web.http.call import Call
from bssci.web.pages.base import PageData

NO_DECODERS: dict[str, Any] = {"directory": "", "decoders": [], "problems": [], "resting": []}


class DecoderPages(PageData):
    """Data of the pages about decoders."""

    async def decoders(self, call: Call) -> dict[str, Any]:
        if self._context.outside.decoders is None:
            return NO_DECODERS
        return await self._views.decoders.all()
