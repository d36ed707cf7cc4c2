"""All reports in one object, for pages and API."""

from __future__ import annotations

from bssci.web.context import Context
from bssci.web.reports.accounts import AccountViews
from bssci.web.reports.alarms import AlarmViews
from bssci.web.reports.certificates import CertificateViews
from bssci.web.reports.config import ConfigViews
from bssci.web.reports.controllers import ControllerViews
from bssci.web.reports.decoders import DecoderViews
from bssci.web.reports.devices import DeviceViews
from bssci.web.reports.history import ChartViews, EventViews
from bssci.web.reports.provisioned import ProvisionedViews
from bssci.web.reports.readings import ReadingViews
from bssci.web.reports.sensors import SensorViews
from bssci.web.reports.stations import StationViews
from bssci.web.reports.status import StatusViews


class Views:
    """All reports, for pages and API."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.sensors = SensorViews(context)
        self.stations = StationViews(context)
        self.devices = DeviceViews(context)
        self.controllers = ControllerViews(context, self.devices)
        self.decoders = DecoderViews(context)
        self.readings = ReadingViews(context)
        self.provisioned = ProvisionedViews(context)
        self.certificates = CertificateViews(context)
        self.config = ConfigViews(context)
        self.alarms = AlarmViews(context)
        self.accounts = AccountViews(context)
        self.charts = ChartViews(context)
        self.events = EventViews(context)
        self.logs = context.logbook
        self.audit = context.audit
        self.status = StatusViews(
            context, self.sensors, self.stations, self.certificates, self.charts, self.alarms
        )
