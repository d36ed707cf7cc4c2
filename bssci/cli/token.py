"""``bssci token``: API tokens, also while the service runs."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

from bssci.cli.chosen import load_own
from bssci.web.access.accounts import ROLES, AccountError, AccountFile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="a new token, printed this once and nothing else")
    create.add_argument("name")
    create.add_argument("--role", choices=ROLES, default="viewer", help="default: %(default)s")
    revoke = actions.add_parser("revoke", help="refuse a token from now on")
    revoke.add_argument("name")
    actions.add_parser("list", help="names and roles")


def run(arguments: argparse.Namespace) -> int:
    """Carry out one action."""
    chosen = load_own()
    file = AccountFile.at_command_line(chosen.state_dir)
    try:
        if arguments.action == "create":
            print(file.create_token(arguments.name, arguments.role))
        elif arguments.action == "revoke":
            file.revoke_token(arguments.name)
        else:
            for token in file.read().tokens:
                since = datetime.fromtimestamp(token.created_at, UTC)
                print(f"{token.name}\t{token.role}\t{since:%Y-%m-%d}")
    except AccountError as error:
        print(f"error: {error.field}: {error}", file=sys.stderr)
        return 1
    return 0
