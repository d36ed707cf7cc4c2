"""All views in one hand, for pages and API."""

from __future__ import annotations

from bssci.web.context import Context
from bssci.web.views.accounts import AccountViews
from bssci.web.views.certificates import CertificateViews
from bssci.web.views.config import ConfigViews
from bssci.web.views.history import ChartViews, EventViews
from bssci.web.views.sensors import SensorViews
from bssci.web.views.stations import StationViews
from bssci.web.views.status import StatusViews


class Views:
    """Whatever can be asked."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.sensors = SensorViews(context)
        self.stations = StationViews(context)
        self.certificates = CertificateViews(context)
        self.config = ConfigViews(context)
        self.accounts = AccountViews(context)
        self.charts = ChartViews(context)
        self.events = EventViews(context)
        self.logs = context.logbook
        self.audit = context.audit
        self.status = StatusViews(context, self.sensors, self.stations, self.certificates, self.charts)
