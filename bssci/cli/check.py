"""``bssci check``: reports everything that would keep the service from starting or working."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import disk_usage

from bssci import extensions
from bssci.center.devices import endpoints
from bssci.certificates import bundles
from bssci.certificates import reading as certificates
from bssci.certificates.checking import check_pair
from bssci.certificates.listening import ListenError, described_places
from bssci.certificates.provisioning import Provisioning
from bssci.certificates.server import WebFiles
from bssci.cli.archive import JOURNAL
from bssci.cli.findings import Finding, about, is_running
from bssci.cli.notifications import about_notifications
from bssci.cli.ports import listening_problems
from bssci.cli.readiness import about_readiness
from bssci.journal import JournalError, inspect
from bssci.model.counts import many
from bssci.settings.env_file import ENV_FILE
from bssci.settings.groups import ListeningAddress
from bssci.settings.old_config import OLD_CONFIG, old_config_warning
from bssci.settings.rows import SettingsError
from bssci.settings.table import Settings
from bssci.settings.trial import try_log_file, try_state_directory
from bssci.system.descriptors import raise_limit, shortage
from bssci.system.files import try_to_write
from bssci.system.replacing import DAMAGED
from bssci.system.utc import DAY

MEGABYTE = 1024 * 1024
LEAST_ROOM = 100
"""free MB below which the service would soon be unable to store; its write-ahead log takes up to 70"""
MOST_NAMED = 5
"""devices that one line names"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = f"{parser.description}; exit status 1 if there is an error"


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each finding; return 0 unless one is an error."""
    status = 0
    for finding in findings(os.environ, ENV_FILE):
        print(f"{finding.level}: {finding.message}")
        if finding.level == "error":
            status = 1
    return status


def findings(environ: Mapping[str, str], env_file: Path) -> Iterator[Finding]:
    """Yield all findings about the installation; only those about invalid settings if there are any."""
    try:
        installed = extensions.discover()
        catalogue = installed.catalogue
        chosen, _, warnings, _ = catalogue.load({}, environ, env_file)
        factories = [
            (kind, factory)
            for kind in extensions.KINDS
            for factory in installed.choose(chosen.value(kind.setting), kind)
        ]
    except SettingsError as error:
        for line in error.lines:
            yield Finding("error", line)
        return
    old = old_config_warning(env_file.with_name(OLD_CONFIG.name))
    for warning in [*warnings, *([old] if old else [])]:
        yield Finding("warning", warning)
    yield Finding("ok", "settings")
    yield from _files(chosen, env_file)
    lack = shortage(raise_limit(), chosen.max_connections)
    if lack:
        yield Finding("warning", lack)
    places = catalogue.places(chosen)
    running = is_running(chosen, places)
    yield from _listening(chosen, places, running)
    if running:
        yield from about_readiness(chosen)
    for kind, factory in factories:
        yield from about(kind, factory, chosen, running)
    yield from about_notifications(chosen)
    for line in [*installed.refused.values(), *extensions.faulty_modules()]:
        yield Finding("warning", f"{line}; not used")


def _files(chosen: Settings, env_file: Path) -> Iterator[Finding]:
    """Yield the findings about the files that the service reads and writes."""
    yield from _certificates(chosen)
    yield from _devices(chosen)
    yield from _writing(chosen, env_file)
    yield from _sensors(chosen.sensor_config_file)
    yield _state_directory(chosen.state_dir)
    yield from _room(chosen)
    yield from _journal(chosen.state_dir)
    if chosen.state_dir.is_dir():
        yield from _accounts(chosen.state_dir)
    try:
        try_log_file(chosen.log_file)
    except SettingsError as error:
        yield Finding("error", str(error))


def _certificates(chosen: Settings) -> Iterator[Finding]:
    now = datetime.now(UTC)
    try:
        soon = timedelta(days=chosen.alarm_certificate_days)
        warnings = check_pair(chosen.cert_file, chosen.key_file, chosen.ca_file, now, chosen.crl_file, soon)
    except certificates.CertificateError as error:
        yield Finding("error", str(error))
        return
    for warning in warnings:
        yield Finding("warning", warning)
    certificate = certificates.read_certificates(chosen.cert_file, "CERT_FILE")[0]
    if bundles.authority_key_file(chosen.ca_file).exists():
        try:
            bundles.read_authority(chosen.ca_file)
        except certificates.CertificateError as error:
            yield Finding("warning", f"{error}; until then no certificates can be issued or revoked")
    yield Finding("ok", f"certificates: valid until {certificate.not_valid_after_utc:%Y-%m-%d}")
    if chosen.web_port and chosen.web_tls:
        try:
            files = WebFiles(chosen.web_cert_file or chosen.cert_file, chosen.web_key_file or chosen.key_file)
            files.load(now, at_start=True)
        except certificates.CertificateError as error:
            yield Finding("error", str(error))


def _devices(chosen: Settings) -> Iterator[Finding]:
    """Yield findings about provisioned devices; none if there are no such devices."""
    files = Provisioning(chosen.device_ca_file, chosen.ca_file)
    try:
        devices = files.devices()
        files.changes()
    except (certificates.CertificateError, OSError) as error:
        yield Finding("warning", str(error))
        return
    if not devices:
        return
    soon = datetime.now(UTC).timestamp() + chosen.alarm_certificate_days * DAY
    ending = sorted(name for name, each in devices.items() if each.status == "active" and each.ends_at < soon)
    yield Finding("ok", f"{files.registry_file}: {many(len(devices), 'device')}")
    if ending:
        more = f" and {len(ending) - MOST_NAMED} more" if len(ending) > MOST_NAMED else ""
        names = ", ".join(ending[:MOST_NAMED])
        text = f"certificates of devices expire soon or have expired: {names}{more}; renew them"
        yield Finding("warning", text)


def _writing(chosen: Settings, env_file: Path) -> Iterator[Finding]:
    """Yield findings about files that the service must be able to write."""
    state = chosen.state_dir
    kept = sorted(state.glob("*")) if state.is_dir() else []
    for path in [env_file, chosen.sensor_config_file, *kept]:
        if path.is_file():
            reason = try_to_write(path)
            if reason:
                yield Finding("error", f"{path}: {reason}")


def _sensors(path: Path) -> Iterator[Finding]:
    try:
        file = endpoints.read_file(path)
    except endpoints.EndpointsError as error:
        for problem in error.problems:
            yield Finding("error", f"{path}: {problem}")
        return
    for each in file.wrong:
        yield Finding("error", f"{path}: {each}; not used")
    yield Finding("ok", f"{path}: {many(len(file.sensors), 'sensor')}")


def _state_directory(path: Path) -> Finding:
    try:
        try_state_directory(path)
    except SettingsError as error:
        return Finding("error", str(error))
    if not path.exists():
        return Finding("warning", f"{path}: does not exist yet; `bssci init` or the first start creates it")
    if (path / DAMAGED).exists():
        text = "files that belonged together were damaged and not replaced: repeat the change, then remove it"
        return Finding("warning", f"{path / DAMAGED}: {text}")
    return Finding("ok", f"{path}: can be read and written")


def _room(chosen: Settings) -> Iterator[Finding]:
    """Yield a finding if the disk has less room than the journal may take up."""
    try:
        free = free_bytes(chosen.state_dir) // MEGABYTE
        journal = chosen.state_dir / JOURNAL
        size = journal.stat().st_size // MEGABYTE if journal.exists() else 0
    except OSError:
        return  # another finding says why the directory cannot be used
    if free < LEAST_ROOM:
        text = "too little to store uplinks safely: base stations keep them while the disk is full"
        yield Finding("error", f"{chosen.state_dir}: only {free} MB are free on its disk, {text}")
    elif size + free < chosen.journal_max_size:
        text = f"and the journal may grow to JOURNAL_MAX_SIZE={chosen.journal_max_size} MB; set it lower"
        yield Finding("warning", f"{chosen.state_dir}: {free} MB are free on its disk, {text}, or make room")


def free_bytes(directory: Path) -> int:
    """Return the bytes that are free for us on the disk of a directory, which need not exist."""
    there = next(each for each in (directory, *directory.absolute().parents) if each.exists())
    return disk_usage(there).free


def _journal(directory: Path) -> Iterator[Finding]:
    try:
        for damage in inspect(directory):
            yield Finding("warning", damage)
    except JournalError as error:
        yield Finding("error", str(error))


def _accounts(directory: Path) -> Iterator[Finding]:
    # Imported here: it loads password hashing, which the rest does not need.
    from bssci.web.access.accounts import AccountError, AccountFile
    from bssci.web.access.sessions import SESSIONS_FILE, read_sessions

    try:
        damage = AccountFile(directory).damage()
    except AccountError as error:
        yield Finding("error", str(error))
    except OSError as error:
        yield _unreadable(error)
    else:
        if damage:
            yield Finding("warning", damage)
    path = directory / SESSIONS_FILE
    try:
        damaged = read_sessions(path).passed_over
    except OSError as error:
        yield _unreadable(error)
    else:
        if damaged:
            yield Finding("warning", f"{path}: is damaged; {damaged} of its sessions are lost, log in again")


def _unreadable(error: OSError) -> Finding:
    return Finding("error", f"{error.filename}: cannot be read ({(error.strerror or str(error)).lower()})")


def _listening(chosen: Settings, places: Sequence[ListeningAddress], running: bool) -> Iterator[Finding]:
    problems = dict(listening_problems(places))
    if problems and running:
        yield Finding("ok", "ports: in use by the running service")
        return
    for name, problem in problems.items():
        yield Finding("error", f"{problem}; stop what listens there, or set {name} to another port")
    for name, descriptions in (("LISTEN", chosen.listen), ("WEB_LISTEN", chosen.web_listen)):
        try:
            described_places(None, name, descriptions)
        except ListenError as error:
            yield Finding("error", str(error))
            problems[name] = str(error)
    for name, _, host, port in places:
        if name not in problems:
            yield Finding("ok", f"{name}: {host}:{port} is free")
