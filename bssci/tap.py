"""``twistd bssci``: reads the settings from options, environment and ``.env``, and creates the service."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from twisted.application.service import IService
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.python import usage

from bssci import __version__, extensions
from bssci.center.devices import endpoints
from bssci.extensions import Installed
from bssci.journal import DirectoryInUse, JournalError, check_journal, no_service
from bssci.settings.configuration import Configuration
from bssci.settings.env_file import ENV_FILE
from bssci.settings.old_config import old_config_warning
from bssci.settings.rows import SettingsError
from bssci.settings.table import Settings
from bssci.system import logs
from bssci.system.pidfile import remove_stale
from bssci.system.replacing import is_staged, take_staged
from bssci.system.signals import kept_signals

_log = Logger()

DAEMON_LOG = Path("twistd.log")
TWISTD_LOGS = ("logger", "logfile", "syslog")
"""options of twistd that determine where the log goes, and take precedence over LOG_FILE"""


def _discover() -> Installed:
    kept_signals.keep([signal.SIGHUP])
    try:
        return extensions.discover()
    except SettingsError as error:
        raise SystemExit(f"bssci: {error}") from None


INSTALLED = _discover()
"""installed sinks, sources and decoders; discovered at import, as twistd needs a class attribute"""


class Options(usage.Options):
    """Every setting as an option; see ``docs/settings.md``."""

    synopsis = "[options]"
    longdesc = (
        "The mioty service center. Settings come from the command line, then the environment,"
        " then .env in the working directory. `bssci init` makes what is needed; `bssci check` tests it."
    )
    optParameters = [list(row) for row in INSTALLED.catalogue.option_parameters()]

    def opt_version(self) -> None:
        """Show the version and exit."""
        print(f"bssci {__version__}")
        raise SystemExit(0)

    def postOptions(self) -> None:
        if self.parent is not None:
            enter_directory(self.parent)
        self.configuration = self._configuration()
        self.restored = take_restored(self.configuration.current.state_dir)
        if self.restored:
            self.configuration = self._configuration()
        if self.parent is not None and self.parent.get("pidfile"):
            pid_file = Path(self.parent["pidfile"])
            if remove_stale(pid_file):
                print(f"bssci: {pid_file} was left by a process that is gone; removed", file=sys.stderr)
        if self.parent is not None and any(self.parent.get(name) for name in TWISTD_LOGS):
            # twistd handles SIGUSR1 itself if it writes the log.
            kept_signals.release([signal.SIGUSR1])
            create_log(self.parent.get("logfile"))
        elif self.parent is not None:
            kept_signals.keep([signal.SIGUSR1])
            daemon = not self.parent["nodaemon"]
            _log_choices.append(LogChoice(self.configuration.current, daemon))
            self.parent["logger"] = "bssci.tap.log_observer"

    def _configuration(self) -> Configuration:
        trials = (INSTALLED.refuse_unknown, try_kept_files)
        try:
            return Configuration(INSTALLED.catalogue, self, os.environ, ENV_FILE, deferToThread, trials)
        except SettingsError as error:
            raise SystemExit("\n".join(f"bssci: {line}" for line in error.lines)) from None


def enter_directory(twistd: usage.Options) -> None:
    """Change to the directory of twistd's option ``--rundir`` before anything is read.

    twistd does so only after this, and then ``.env`` would be read from another directory than it is written
    to. A directory below ``--chroot`` cannot be entered yet.

    :param twistd: twistd's own options, which are changed so that it need not do so any more.
    :raises SystemExit: there is no such directory.
    """
    directory = twistd.get("rundir") or "."
    if directory == "." or twistd.get("chroot"):
        return
    if twistd.get("logfile") not in (None, "-"):
        twistd["logfile"] = os.path.abspath(twistd["logfile"])
    try:
        os.chdir(directory)
    except OSError as error:
        raise SystemExit(f"bssci: --rundir={directory}: {error.strerror}") from None
    twistd["rundir"] = "."


def create_log(path: str | None) -> None:
    """Create twistd's own log file with mode 0600: it holds the link for the first log-in.

    An existing file keeps its mode. What is wrong with the path is for twistd to say.
    """
    if path and path != "-":
        with suppress(OSError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))


def take_restored(directory: Path) -> bool:
    """Put the files in place that ``bssci restore`` has staged; return whether there were any.

    :raises SystemExit: a file cannot be written.
    """
    try:
        if not is_staged(directory):
            return False
        with no_service(directory):
            return bool(take_staged(directory))
    except DirectoryInUse:
        return False  # the start will report it
    except (JournalError, OSError) as error:
        raise SystemExit(
            f"bssci: STATE_DIR={directory}: restored files cannot be put in place: {error}"
        ) from None


def start_warnings(options: Options) -> Iterator[str]:
    """Yield what people must know of the settings and files that the service starts with."""
    if options.restored:
        yield "the files of a backup are in place, as bssci restore prepared them"
    yield from options.configuration.warnings
    for line in [*INSTALLED.refused.values(), *extensions.faulty_modules()]:
        yield f"{line}; not used"
    old = old_config_warning()
    if old:
        yield old


def makeService(options: Options) -> IService:
    """Return the service with the settings in ``options``; called by twistd."""
    from twisted.internet import reactor

    from bssci.service import BssciService

    for warning in start_warnings(options):
        _log.warn("{warning}", warning=warning)
    return BssciService(reactor, options.configuration, INSTALLED)


def try_kept_files(settings: Settings, changed: Collection[str]) -> None:
    """Check that the service could use the sensors and the journal that changed settings point to. Blocks.

    :raises SettingsError: it could not.
    """
    if "SENSOR_CONFIG_FILE" in changed:
        try:
            endpoints.read(settings.sensor_config_file)
        except endpoints.EndpointsError as error:
            raise SettingsError(f"SENSOR_CONFIG_FILE: {error}") from error
    if "STATE_DIR" in changed:
        try:
            check_journal(settings.state_dir)
        except JournalError as error:
            raise SettingsError(f"STATE_DIR: {error}") from error


class LogChoice(NamedTuple):
    """The choice of the log's destination, from the settings and the options of twistd."""

    settings: Settings
    is_daemon: bool
    """true if there is no standard output: without LOG_FILE the log then goes to twistd's default file"""


_log_choices: list[LogChoice] = []


def log_observer() -> Any:
    """Return the log observer for the options that were parsed last.

    twistd calls this function by its name, without an argument.
    """
    settings, is_daemon = _log_choices[-1]
    file = settings.log_file or (DAEMON_LOG if is_daemon else None)
    try:
        return logs.observer(settings.log_level, settings.log_format, file, settings.timezone)
    except OSError as error:
        raise SystemExit(f"bssci: LOG_FILE={file}: cannot be written ({error.strerror})") from None
