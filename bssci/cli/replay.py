"""``bssci replay``: delivers stored messages to a sink again, decoded by the present decoders."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo

from bssci.cli.chosen import load
from bssci.cli.service_api import RefusedError, ServiceApi, ServiceUnavailableError, service_api
from bssci.cli.service_api import add_arguments as add_service_arguments
from bssci.web.access.accounts import AccountError

LOOK_EVERY = 0.5
"""s between two queries of the progress"""
AWAY_TIME = 60.0
"""s for which the service may be unavailable, as during a restart"""
INTERRUPTED = 130
"""exit status after Ctrl-C, as in a shell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sink", required=True, help="name of the sink, for example postgres")
    time_help = "Unix seconds, or a time such as 2026-05-01T00:00:00+02:00; without an offset, in TIMEZONE"
    parser.add_argument("--from", dest="from_", required=True, metavar="T", help=f"first time: {time_help}")
    parser.add_argument("--to", required=True, metavar="T", help="last time; or now")
    parser.add_argument(
        "--device",
        action="append",
        default=[],
        metavar="ID",
        help="only messages of this device, an EUI or an id such as ble:AA:BB:CC:DD:EE:FF; may be repeated",
    )
    parser.add_argument(
        "--publish", action="store_true", help="confirm a replay to a sink that has listeners, such as mqtt"
    )
    parser.add_argument("--no-wait", action="store_true", help="end once the replay has begun")
    add_service_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Start a replay and show its progress until it is over; Ctrl-C cancels it."""
    chosen = load()[1].settings
    try:
        asked = {
            "sink": arguments.sink,
            "from": moment("--from", arguments.from_, chosen.timezone),
            "to": time.time() if arguments.to == "now" else moment("--to", arguments.to, chosen.timezone),
            "devices": arguments.device,
            "publish": arguments.publish,
        }
        with _leaving_on_signals(), service_api(arguments, chosen, "admin") as api:
            return _replay(api, asked, arguments.no_wait)
    except (AccountError, ServiceUnavailableError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
    except RefusedError as error:
        print(f"error: {_refusal(error)}", file=sys.stderr)
    except KeyboardInterrupt:
        print("error: interrupted; GET /api/replays shows whether it has begun", file=sys.stderr)
        return INTERRUPTED
    return 1


def moment(option: str, text: str, zone: str) -> float:
    """Return the Unix seconds of a time on the command line.

    :param option: name of the option, for the error.
    :param zone: time zone of a time without an offset from UTC.
    :raises ValueError: the text is not a time.
    """
    try:
        seconds = float(text)
        if isfinite(seconds):
            return seconds
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{option} {text}: must be a time, such as 2026-05-01T00:00:00Z") from None
    return (found if found.tzinfo is not None else found.replace(tzinfo=ZoneInfo(zone))).timestamp()


def _replay(api: ServiceApi, asked: dict[str, Any], no_wait: bool) -> int:
    replay = api.ask("POST", "/api/replays", asked)["replay"]
    number = replay["id"]
    show = _shown(sys.stdout.isatty())
    try:
        print(f"replay {number} into {replay['sink']} begun", flush=True)
        if no_wait:
            return 0
        while replay["state"] in ("waiting", "running"):
            show(_line(replay))
            time.sleep(LOOK_EVERY)
            replay = _look(api, number)
    except KeyboardInterrupt:
        replay = _cancel(api, number)
    except _LeavingError:
        print(f"replay {number} continues in the service", file=sys.stderr)
        raise
    show(_line(replay), True)
    if replay["state"] == "done":
        return 0
    return INTERRUPTED if replay["state"] == "cancelled" else 1


def _look(api: ServiceApi, number: int) -> dict[str, Any]:
    """Return the progress of a replay, waiting for a service that is restarting."""
    until = time.monotonic() + AWAY_TIME
    while True:
        try:
            replays = api.ask("GET", "/api/replays")["replays"]
        except ServiceUnavailableError as error:
            if time.monotonic() > until:
                text = f"{error}; replay {number} continues when the service runs again"
                raise ServiceUnavailableError(text) from None
            time.sleep(LOOK_EVERY)
            continue
        found: dict[str, Any] | None = next((each for each in replays if each["id"] == number), None)
        if found is None:
            raise ServiceUnavailableError(f"the service no longer knows replay {number}")
        return found


def _cancel(api: ServiceApi, number: int) -> dict[str, Any]:
    try:
        replay: dict[str, Any] = api.ask("DELETE", f"/api/replays/{number}")["replay"]
    except RefusedError:
        return _look(api, number)  # it has just ended by itself
    return replay


def _line(replay: dict[str, Any]) -> str:
    trouble = f": {replay['trouble']}" if replay["trouble"] else ""
    return f"{replay['state']}, {replay['progress']:.0%}, {replay['delivered']} delivered{trouble}"


def _shown(terminal: bool) -> Callable[..., None]:
    """Return a function that prints a line over the last one; to a file it prints changed lines only."""
    last = ""

    def show(line: str, final: bool = False) -> None:
        nonlocal last
        if terminal:
            print(f"\r\x1b[K{line}", end="\n" if final else "", flush=True)
        elif line != last:
            print(line, flush=True)
        last = line

    return show


def _refusal(error: RefusedError) -> str:
    if error.status in (401, 403):
        return f"{error}: a token with the role admin is needed"
    return str(error)


class _LeavingError(SystemExit):
    """A signal ends the command, but not the replay."""


@contextmanager
def _leaving_on_signals() -> Iterator[None]:
    """Exit cleanly on SIGTERM and SIGHUP, so that the temporary token is revoked."""

    def leave(number: int, _: object) -> None:
        raise _LeavingError(128 + number)

    before = {each: signal.signal(each, leave) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
