"""``bssci station-cert EUI``: certificate and key for another base station."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from bssci.certificates import bundles
from bssci.certificates.reading import read_certificates
from bssci.certificates.steps import host_of, steps
from bssci.cli.chosen import load_own
from bssci.model import EUI, parse_eui
from bssci.settings.table import station_places
from bssci.system.files import write_atomically


def _eui(text: str) -> EUI:
    try:
        return parse_eui(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("eui", metavar="EUI", type=_eui, help="the base station's EUI, 16 hexadecimal digits")


def run(arguments: argparse.Namespace) -> int:
    """Create the bundle unless it exists, and print the path of each file."""
    chosen = load_own()
    stations = chosen.cert_file.parent / "stations"
    for made in bundles.make_station(chosen.ca_file, stations, arguments.eui, datetime.now(UTC)):
        print(f"{'created' if made.created else 'kept   '} {made.path}")
    directory = stations / arguments.eui
    ends = read_certificates(directory / "station_cert.pem", "the bundle")[0].not_valid_after_utc
    ports = [place.port for place in station_places(chosen.values())]
    for name, content in steps(arguments.eui, host_of(chosen.cert_file), ports, f"{ends:%Y-%m-%d}").items():
        write_atomically(directory / name, content)
        print(f"written {directory / name}")
    print("Load the three .pem files into the base station, as steps.html describes.")
    print("The key is a secret: transfer it only securely.")
    return 0
