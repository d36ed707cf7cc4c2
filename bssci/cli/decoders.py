"""``bssci decoders``: list decoders, run their examples, decode a payload, import a file."""

from __future__ import annotations

import argparse
import sys
import traceback
from pathlib import Path
from typing import Any

from bssci.center.decoding.folder import FILE_MODE, read_folder
from bssci.center.decoding.patience import WATCHED_KINDS
from bssci.cli.chosen import load, load_own
from bssci.decoders.examples import parse_hex
from bssci.decoders.interfaces import Payload
from bssci.decoders.library import Library, check_file, examples_of
from bssci.decoders.running import Attempt, label, try_out
from bssci.extensions import build_decoders
from bssci.model.strict_json import JsonError, read_json
from bssci.system.files import make_directory, write_atomically


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--directory",
        type=Path,
        default=load_own().decoder_dir,
        help="directory of the files; default: DECODER_DIR, %(default)s",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser("list", help="list all decoders, and problems of their files (the default)")
    test = actions.add_parser("test", help="run the examples that files carry")
    test.add_argument("name", nargs="*", help="names of decoders; default: all")
    attempt = actions.add_parser("try", help="decode one payload")
    attempt.add_argument("name", help="name of a decoder, or path of a file")
    attempt.add_argument("payload", help="hexadecimal")
    attempt.add_argument("--format", type=int, default=0, help="the telegram's format byte")
    attempt.add_argument("--parameters", default="{}", help="decoderParameters as JSON")
    put = actions.add_parser("import", help="check a file and put it into the folder")
    put.add_argument("file", type=Path)
    put.add_argument("--name", help="name of the decoder; default: the file's")


def run(arguments: argparse.Namespace) -> int:
    """Carry out one action."""
    try:
        if arguments.action == "import":
            return _import(arguments.directory, arguments.file, arguments.name)
        installed, troubles = _installed()
        _, library = read_folder(arguments.directory, WATCHED_KINDS, installed)
        if arguments.action in (None, "list"):
            return _list(installed, library, troubles)
        if arguments.action == "test":
            return _test(library, arguments.name)
        return _try({**library.decoders, **installed}, arguments)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _installed() -> tuple[dict[str, Any], list[str]]:
    decoders, problems = build_decoders(load()[1].settings)
    return {decoder.name: decoder for decoder in decoders}, problems


def _list(installed: dict[str, Any], library: Library, troubles: list[str]) -> int:
    files = {name: file for file, name in library.files.items()}
    for name, decoder in sorted({**library.decoders, **installed}.items()):
        print(f"{label(decoder)}\t{files.get(name, 'installed')}\t{getattr(decoder, 'title', '')}".rstrip())
    return _tell(library, troubles)


def _test(library: Library, names: list[str]) -> int:
    for name in names:
        if name not in library.decoders:
            raise ValueError(f"there is no decoder file for {name!r}")
    failed = 0
    for name, decoder in sorted(library.decoders.items()):
        if names and name not in names:
            continue
        results = examples_of(decoder)
        wrong = [result for result in results if not result.passed]
        failed += len(wrong)
        print(f"{label(decoder)}: {len(results) - len(wrong)} of {len(results)} examples are right")
        for result in wrong:
            title = result.example.name or result.example.payload.hex()
            for difference in result.differences:
                print(f"  line {result.example.line}, {title}: {difference}")
    return max(_tell(library, []) if not names else 0, int(failed > 0))


def _try(decoders: dict[str, Any], arguments: argparse.Namespace) -> int:
    path = Path(arguments.name)
    if arguments.name in decoders:
        decoder = decoders[arguments.name]
    elif path.is_file():
        decoder, _ = check_file(path.name, path.read_text("utf-8"), WATCHED_KINDS)
    else:
        raise ValueError(f"there is no decoder {arguments.name!r}; available: {', '.join(sorted(decoders))}")
    try:
        parameters = read_json(arguments.parameters)
    except JsonError as error:
        raise ValueError(f"--parameters is {error}") from error
    if not isinstance(parameters, dict):
        raise ValueError("--parameters must be an object")
    payload = Payload(
        data=parse_hex(arguments.payload),
        kind="uplink",
        device="mioty:0000000000000000",
        received_at=0.0,
        format=arguments.format,
    )
    return _show(try_out(decoder, payload, parameters, lambda _: traceback.print_exc()))


def _show(attempt: Attempt) -> int:
    for field in attempt.fields:
        if field.first_bit is not None:
            last = field.first_bit + field.bits - 1
            raw = "" if field.raw is None else f" = {field.raw:#x}"
            print(f"bits {field.first_bit:3} to {last:3}  {field.name}{raw}")
    for reading in attempt.decoded.readings:
        print(f"{reading.name} = {reading.value} {reading.unit or ''}".rstrip())
    for warning in attempt.decoded.warnings:
        print(f"warning: {warning}")
    failure = attempt.decoded.failure
    if failure is None:
        return 0
    print(f"error: {failure.code}: {failure.message}", file=sys.stderr)
    return 1


def _import(directory: Path, file: Path, name: str | None) -> int:
    text = file.read_text("utf-8")
    target = file.name if name is None else f"{name}{file.suffix}"
    decoder, results = check_file(target, text, WATCHED_KINDS)
    installed, _ = _installed()
    if decoder.name in installed:
        raise ValueError(f"a built-in decoder is named {decoder.name!r}")
    make_directory(directory)
    path = directory / target
    done = "replaced" if path.exists() else "created"
    write_atomically(path, text.encode("utf-8"), FILE_MODE)
    print(f"{done} {path}")
    right = sum(result.passed for result in results)
    print(f"{label(decoder)}: {right} of {len(results)} examples are right")
    return 0


def _tell(library: Library, troubles: list[str]) -> int:
    """Print the problems, and return the exit status."""
    for line in (*troubles, *map(str, library.problems)):
        print(f"problem: {line}", file=sys.stderr)
    return int(bool(troubles) or any(problem.refused for problem in library.problems))
