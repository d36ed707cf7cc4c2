"""``bssci devices``: lets the running service import the devices at controllers from a file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bssci.cli.chosen import load
from bssci.cli.service_api import RefusedError, ServiceUnavailableError, service_api
from bssci.cli.service_api import add_arguments as add_service_arguments
from bssci.model.counts import many
from bssci.model.strict_json import JsonError, read_json
from bssci.web.access.accounts import AccountError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    put = actions.add_parser(
        "import", help="templates, connectors, pins and data points of controllers, from JSON"
    )
    put.add_argument("file", type=Path, metavar="FILE")
    put.add_argument("--dry-run", action="store_true", help="only report what would be entered")
    add_service_arguments(put)


def run(arguments: argparse.Namespace) -> int:
    """Let the service import a file."""
    chosen = load()[1].settings
    try:
        tables = read_json(arguments.file.read_bytes())
        path = "/api/devices/import" + ("?dry_run=1" if arguments.dry_run else "")
        with service_api(arguments, chosen, "admin") as api:
            done = api.ask("POST", path, tables)
    except JsonError as error:
        print(f"error: {arguments.file} is {error}", file=sys.stderr)
        return 1
    except (AccountError, ServiceUnavailableError, RefusedError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for line in done["errors"]:
        print(f"skipped: {line}", file=sys.stderr)
    would = "would enter" if arguments.dry_run else "entered"
    models, devices = len(done["models"]), len(done["devices"])
    print(
        f"{would} {many(devices, 'device')} and {many(models, 'model')};"
        f" {many(done['empty_pins'], 'pin')} without a device"
    )
    return 0
