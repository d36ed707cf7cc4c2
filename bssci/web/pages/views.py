"""The data of each page, in the form that its template reads."""

from __future__ import annotations

from bssci.web.pages.alarms import AlarmPages
from bssci.web.pages.controllers import ControllerPages
from bssci.web.pages.decoders import DecoderPages
from bssci.web.pages.devices import DevicePages
from bssci.web.pages.provisioned import ProvisionedPages
from bssci.web.pages.readings import ReadingPages
from bssci.web.pages.sensors import SensorPages
from bssci.web.pages.service import ServicePages
from bssci.web.pages.stations import StationPages


class PageViews(
    ServicePages,
    AlarmPages,
    StationPages,
    SensorPages,
    ReadingPages,
    DecoderPages,
    DevicePages,
    ControllerPages,
    ProvisionedPages,
):
    """The data of all pages: one method for each :class:`Page <bssci.web.pages.table.Page>`."""


__all__ = ["PageViews"]
