"""``bssci token``: tokens for the API and for live streams, also while the service runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from bssci.cli.chosen import load_installation
from bssci.model.iso_times import iso_day
from bssci.web.access.accounts import ROLES, AccountError, AccountFile
from bssci.web.access.live_tokens import CONNECTIONS, DAYS, EVERYTHING, Wish
from bssci.web.access.uses import LIVE_TOKENS_FILE, TOKENS_FILE, read_uses, token_key, told

ONLY_LIVE = {
    "description": "",
    "days": DAYS,
    "topic": [],
    "device": [],
    "tag": [],
    "connections": CONNECTIONS,
}
"""options that a token of another kind does not have, and their defaults"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="create a token, and print it; it is shown only once")
    create.add_argument("name")
    create.add_argument("--role", choices=ROLES, default="viewer", help="default: %(default)s")
    _add_live(create, "for live streams (MQTT over WebSocket at /mqtt), and nothing else")
    limits = create.add_argument_group("with --live")
    limits.add_argument("--description", default="", help="what the token is for")
    limits.add_argument("--days", type=int, default=DAYS, help="until it expires; default: %(default)s")
    limits.add_argument(
        "--topic",
        action="append",
        default=[],
        help="topic filter that may be read; may be repeated; default: #",
    )
    limits.add_argument(
        "--device", action="append", default=[], help="only messages of this device (id, or EUI of a sensor)"
    )
    limits.add_argument("--tag", action="append", default=[], help="only messages of sensors with this tag")
    limits.add_argument(
        "--connections", type=int, default=CONNECTIONS, help="at a time; default: %(default)s"
    )
    revoke = actions.add_parser("revoke", help="refuse a token from now on")
    revoke.add_argument("name")
    _add_live(revoke, "a token for live streams; its connections are closed")
    actions.add_parser("list", help="names, roles and dates; for live tokens also expiry and last use")


def _add_live(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--live", action="store_true", help=text)


def run(arguments: argparse.Namespace) -> int:
    """Carry out one action."""
    chosen = load_installation()
    file = AccountFile.at_command_line(chosen.state_dir)
    if arguments.action == "create":
        print(_create(file, arguments))
    elif arguments.action == "revoke" and arguments.live:
        file.revoke_live_token(arguments.name)
    elif arguments.action == "revoke":
        file.revoke_token(arguments.name)
    else:
        _list(file, chosen.state_dir)
    return 0


def _list(file: AccountFile, state_dir: Path) -> None:
    uses, live_uses = (read_uses(state_dir / name) for name in (TOKENS_FILE, LIVE_TOKENS_FILE))
    directory = file.read()
    for token in directory.tokens:
        used = told(uses.get(token_key(token)), "never used")
        print(f"{token.name}\t{token.role}\t{iso_day(token.created_at)}\t{used}")
    for live in directory.live_tokens:
        used = told(live_uses.get(live.id), "never used")
        print(f"{live.name}\tlive\t{iso_day(live.created_at)}\tuntil {iso_day(live.expires_at)}\t{used}")


def _create(file: AccountFile, arguments: argparse.Namespace) -> str:
    if not arguments.live:
        for option, default in ONLY_LIVE.items():
            if getattr(arguments, option) != default:
                raise AccountError(f"--{option}", "is possible only with --live")
        return file.create_token(arguments.name, arguments.role)
    wish = Wish(
        name=arguments.name,
        description=arguments.description,
        expires_in_days=arguments.days,
        topics=tuple(arguments.topic) or EVERYTHING,
        devices=tuple(arguments.device),
        tags=tuple(arguments.tag),
        connections=arguments.connections,
    )
    secret, _ = file.create_live_token(wish)
    return secret
