"""The sub-command ``bssci watch URL``: it reads a live stream and writes it somewhere."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

from bssci.model.counts import many
from bssci.stream.address import TOKEN, StreamError, read_address, read_token
from bssci.stream.client import ExitStatus, Watch
from bssci.stream.outputs import Console, File, Output, Postgres, Sqlite, Webhook
from bssci.stream.writer import OutputWriter

TOPIC = "device/+/telemetry/#"
OUTPUTS = ("console", "file", "sqlite", "postgres", "webhook")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "exit status: 0 ended as requested; 1 URL, token or file is wrong; 3 token refused; 4 certificate not"
        " trusted; 5 not reachable; 6 output failed; 7 fewer messages than --count"
    )
    parser.add_argument("url", metavar="URL", help="wss://host[:port]/mqtt; ws:// for this machine only")
    parser.add_argument("--token-file", type=Path, help=f"file with the token; default: environment {TOKEN}")
    parser.add_argument("--topic", action="append", default=[], help=f"repeat for more; default: {TOPIC}")
    parser.add_argument("--ca-file", type=Path, help="authorities to trust (PEM); default: the system's")
    parser.add_argument(
        "--client-id", default="", help="keep a session with this name, so that missed messages come later"
    )
    parser.add_argument("--to", choices=OUTPUTS, default="console", help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="console: one JSON object per line")
    parser.add_argument("--path", help="file, sqlite: the file; postgres: connection string; webhook: URL")
    parser.add_argument(
        "--header", action="append", default=[], metavar="NAME:VALUE", help="webhook: header of each request"
    )
    parser.add_argument("--count", type=int, default=0, help="end after this many messages; 0: never")
    parser.add_argument("--for", dest="seconds", type=float, default=0.0, help="end after this many seconds")
    parser.add_argument(
        "--give-up",
        type=float,
        default=0.0,
        help="end after this many seconds without a connection; 0: never",
    )
    parser.add_argument(
        "--attempts",
        type=int,
        default=0,
        help="end after this many failures of the output in a row; 0: never",
    )
    parser.add_argument(
        "--quiet", action="store_true", help="write nothing about connections to standard error"
    )


def run(arguments: argparse.Namespace) -> int:
    """Read until the end; return the exit status."""
    level = logging.ERROR if arguments.quiet else logging.INFO
    logging.basicConfig(stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(message)s")
    try:
        watch = Watch(
            read_address(arguments.url),
            read_token(arguments.token_file),
            arguments.topic or [TOPIC],
            client_id=arguments.client_id,
            ca_file=arguments.ca_file,
            give_up=arguments.give_up,
            enough=arguments.count,
        )
        writer = OutputWriter(_output(arguments), arguments.attempts, watch.not_written)
        writer.start()
    except StreamError as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitStatus.WRONG
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: threading.Thread(target=watch.stop, daemon=True).start())
    if arguments.seconds:
        timer = threading.Timer(arguments.seconds, watch.stop)
        timer.daemon = True
        timer.start()
    outcome = watch.run(writer)
    writer.stop()
    if outcome is ExitStatus.DONE and arguments.count and writer.written < arguments.count:
        print(f"error: {writer.written} of {many(arguments.count, 'message')} came", file=sys.stderr)
        return ExitStatus.NOTHING
    if outcome is not ExitStatus.DONE:
        print(f"error: {watch.reason}", file=sys.stderr)
    return outcome


def _output(arguments: argparse.Namespace) -> Output:
    """Return the output that the options describe.

    :raises StreamError: an option is missing or wrong.
    """
    if arguments.to == "console":
        return Console(arguments.json)
    if not arguments.path:
        raise StreamError(f"--to {arguments.to} needs --path")
    if arguments.to == "file":
        return File(Path(arguments.path))
    if arguments.to == "sqlite":
        return Sqlite(Path(arguments.path))
    if arguments.to == "postgres":
        return Postgres(arguments.path)
    headers = []
    for header in arguments.header:
        name, colon, value = header.partition(":")
        if not colon:
            raise StreamError("a header must be NAME:VALUE")
        headers.append((name.strip(), value.strip()))
    return Webhook(arguments.path, headers)
