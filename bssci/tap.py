"""``twistd bssci``: options to settings, settings to the service. Decides nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from twisted.application.service import IService
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.python import usage

from bssci import __version__
from bssci import extensions as discovery
from bssci.settings import table as settings
from bssci.settings.configuration import Configuration
from bssci.system import logs

_log = Logger()

DAEMON_LOG = Path("twistd.log")
TWISTD_LOGS = ("logger", "logfile", "syslog")
"""options of twistd that say where the log goes, and come before LOG_FILE"""


class Options(usage.Options):
    """Every setting as an option; see ``docs/settings.md``."""

    synopsis = "[options]"
    longdesc = (
        "The mioty service center. Settings come from the command line, then the environment,"
        " then .env in the working directory. `bssci init` makes what is needed; `bssci check` tests it."
    )
    optParameters = [list(row) for row in settings.option_parameters()]

    def opt_version(self) -> None:
        """Show the version and exit."""
        print(f"bssci {__version__}")
        raise SystemExit(0)

    def postOptions(self) -> None:
        try:
            others = discovery.own_setting_names()
            self.configuration = Configuration(self, os.environ, settings.ENV_FILE, deferToThread, others)
        except settings.SettingsError as error:
            raise SystemExit(f"bssci: {error}") from None
        if self.parent is not None and not any(self.parent.get(name) for name in TWISTD_LOGS):
            log_observer.chosen = self.configuration.current
            log_observer.daemon = not self.parent["nodaemon"]
            self.parent["logger"] = "bssci.tap.log_observer"


def makeService(options: Options) -> IService:
    """The service that ``options`` describe."""
    from twisted.internet import reactor

    from bssci.service import BssciService

    for warning in options.configuration.warnings:
        _log.warn("{warning}", warning=warning)
    from_file = dotenv_values(settings.ENV_FILE, interpolate=False)
    texts = {name: value or "" for name, value in from_file.items()} | dict(os.environ)
    return BssciService(reactor, options.configuration, texts)


class LogObserver:
    """Makes the observer that the settings ask for. twistd knows it by name only, hence :attr:`chosen`."""

    chosen: settings.Settings
    daemon: bool
    """there is no standard output: without LOG_FILE the log goes where twistd's own would"""

    def __call__(self) -> Any:
        file = self.chosen.log_file or (DAEMON_LOG if self.daemon else None)
        try:
            return logs.observer(self.chosen.log_level, self.chosen.log_format, file, self.chosen.timezone)
        except OSError as error:
            raise SystemExit(f"bssci: LOG_FILE={file}: cannot be written ({error.strerror})") from None


log_observer = LogObserver()
