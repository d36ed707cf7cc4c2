"""Downlinks to a sensor."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bssci.web.api.schemas.common import Answer, EuiText


class DownlinkBody(msgspec.Struct, kw_only=True):
    """A downlink to queue."""

    data: Annotated[
        list[Any] | str | dict[str, str],
        Meta(
            description=(
                'integers from 0 to 255, hexadecimal digits or {"base64": text}; with cnt a list of them'
            )
        ),
    ]
    format: Annotated[int, Meta(ge=0, le=255)] = 0
    prio: float = 0.0
    responseExp: bool = False
    responsePrio: bool = False
    dlWindReq: bool = False
    expOnly: bool = False
    cnt: Annotated[list[int] | None, Meta(description="packet counters, with an entry of data each")] = None
    ref: Annotated[str | int | None, Meta(description="comes back in what is told of the downlink")] = None
    expires_in: Annotated[float | None, Meta(description="s")] = None


class DownlinkEntry(Answer):
    """A downlink, and what became of it."""

    queId: int
    state: str
    data: list[list[int]]
    dataHex: list[str]
    cnt: list[int] | None
    format: int
    prio: float
    responseExp: bool
    ref: str | int | None
    created_at: float
    changed_at: float
    expires_at: float | None
    bs_eui: EuiText | None
    txTime: int | None
    answered_cnt: int | None
    snr: float | None
    rssi: float | None
    message: str | None


class DownlinkList(Answer):
    """The newest downlinks, newest first."""

    downlinks: list[DownlinkEntry]


class DownlinkTaken(DownlinkEntry, kw_only=True):
    """A downlink that was queued or revoked."""

    success: Literal[True] = True
