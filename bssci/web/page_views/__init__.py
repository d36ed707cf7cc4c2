"""What each page shows, in the shape that its template reads."""

from __future__ import annotations

from bssci.web.page_views.sensors import SensorPages
from bssci.web.page_views.service import ServicePages
from bssci.web.page_views.stations import StationPages


class PageViews(ServicePages, StationPages, SensorPages):
    """One method for each :class:`bssci.web.pages.Page`, named by its ``view``."""


__all__ = ["PageViews"]
