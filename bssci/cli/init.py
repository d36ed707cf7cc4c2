"""``bssci init``: creates all files that a first start needs; existing files are kept."""

from __future__ import annotations

import argparse
import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from bssci.certificates import bundles
from bssci.certificates import reading as certificates
from bssci.certificates.bundles import Made
from bssci.certificates.checking import check_pair
from bssci.certificates.issuing import parse_host
from bssci.cli.chosen import load
from bssci.settings.catalogue import Catalogue
from bssci.settings.env_file import ENV_FILE
from bssci.settings.table import Settings
from bssci.system.files import make_directory, prepare_directory, write_atomically


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host",
        action="append",
        default=[],
        type=_host,
        metavar="NAME",
        help="a name or address by which base stations reach this machine; it comes before those that are "
        "detected; may be repeated",
    )


def _host(text: str) -> str:
    try:
        return parse_host(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(arguments: argparse.Namespace) -> int:
    """Create missing files, and print the path of each."""
    installed, (chosen, _, warnings, _) = load()
    for warning in warnings:
        print(f"warning: {warning}")
    for made in _everything(installed.catalogue, chosen, [*arguments.host, *local_hosts()]):
        print(f"{'created' if made.created else 'kept   '} {made.path}")
    for warning in check_pair(chosen.cert_file, chosen.key_file, chosen.ca_file, datetime.now(UTC)):
        print(f"warning: {warning}")
    _first_account(chosen)
    return 0


def _first_account(chosen: Settings) -> None:
    """Create the web admin's first account unless there is one, and print its password once."""
    from bssci.web.access.accounts import FIRST_ACCOUNT, AccountFile, new_password

    file, password = AccountFile.at_command_line(chosen.state_dir), new_password()
    if file.read().accounts or file.add_first(password) is None:
        print(f"kept    {file.path}")
        return
    print(f"created {file.path}")
    print(f"The web admin's first account, shown only once: user {FIRST_ACCOUNT}, password {password}")


def local_hosts() -> list[str]:
    """Return this machine's name, and the addresses from which it would connect to others."""
    hosts = []
    with suppress(ValueError):
        hosts.append(parse_host(socket.gethostname()))
    # Documentation addresses (RFC 5737, RFC 3849): connecting a datagram socket sends nothing.
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((elsewhere, 9))
                hosts.append(probe.getsockname()[0])
        except OSError:
            continue  # no route for this address family
    return hosts


def _everything(catalogue: Catalogue, chosen: Settings, hosts: list[str]) -> Iterator[Made]:
    now = datetime.now(UTC)
    if chosen.cert_file.exists() and not chosen.ca_file.exists():
        raise certificates.CertificateError(
            f"{chosen.ca_file}: does not exist, although {chosen.cert_file} does; restore it, or remove both"
        )
    yield from bundles.make_authority(chosen.ca_file, now)
    yield from bundles.make_server(chosen.ca_file, chosen.cert_file, chosen.key_file, hosts, now)
    if bundles.authority_key_file(chosen.ca_file).exists():
        yield from bundles.make_station(chosen.ca_file, chosen.cert_file.parent / "stations", None, now)
    yield _text(chosen.sensor_config_file, "[]\n")
    yield Made(chosen.state_dir, prepare_directory(chosen.state_dir))
    # Written last, so that its existence shows that no earlier run was interrupted.
    yield _text(ENV_FILE, catalogue.env_template())


def _text(path: Path, content: str) -> Made:
    if path.exists():
        return Made(path, created=False)
    make_directory(path.parent)
    write_atomically(path, content.encode())
    return Made(path, created=True)
