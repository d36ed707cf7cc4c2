"""``bssci user``: accounts of the web admin, also while the service runs."""

from __future__ import annotations

import argparse
import getpass
import sys

from bssci.cli.chosen import load_installation
from bssci.model.iso_times import iso_day
from bssci.web.access.accounts import ROLES, AccountError, AccountFile
from bssci.web.access.uses import LOG_INS_FILE, read_uses, told


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="a new account; asks for the password, or reads it from a pipe")
    add.add_argument("name")
    add.add_argument("--role", choices=ROLES, default="viewer", help="default: %(default)s")
    password = actions.add_parser("password", help="a new password; ends the account's sessions")
    password.add_argument("name")
    actions.add_parser("list", help="names, roles and last log-ins")


def run(arguments: argparse.Namespace) -> int:
    """Carry out one action."""
    chosen = load_installation()
    file = AccountFile.at_command_line(chosen.state_dir)
    if arguments.action == "list":
        log_ins = read_uses(chosen.state_dir / LOG_INS_FILE)
        for account in file.read().accounts:
            log_in = told(log_ins.get(account.name), "never logged in")
            print(f"{account.name}\t{account.role}\t{iso_day(account.created_at)}\t{log_in}")
        return 0
    file.expect(arguments.name, known=arguments.action == "password")
    if arguments.action == "add":
        file.add(arguments.name, arguments.role, _password())
    else:
        file.set_password(arguments.name, _password())
    return 0


def _password() -> str:
    """Return a password, asked for twice at a terminal, or read from a pipe.

    :raises AccountError: the two passwords differ.
    """
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise AccountError("password", "the two passwords differ")
    return password
