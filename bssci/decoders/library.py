"""A folder of decoders, given as texts: the decoders in it, and the problems of the other files.

It is pure: reading the files is up to the caller.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import msgspec

from bssci.decoders.blueprints import compile_blueprint, is_blueprint
from bssci.decoders.commented_json import DefinitionError, parse
from bssci.decoders.datapoints import compile_datapoints, is_datapoints
from bssci.decoders.examples import ExampleResult, run_example
from bssci.decoders.scripts import compile_script

MAX_FILES = 1000
MAX_NAME = 64
"""characters of a decoder's name"""
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{MAX_NAME - 1}}}")

ReadFile = Callable[[str, str], Any]
"""Makes a decoder from a name and a file's text; raises ValueError, or DefinitionError with the line."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error or warning about a file."""

    file: str
    reason: str
    line: int | None = None
    refused: bool = True
    """false if the decoder can be used nevertheless"""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}, line {self.line}"
        return f"{place}: {self.reason}"


class Library(msgspec.Struct, frozen=True):
    """Content of a folder of decoders."""

    decoders: Mapping[str, Any] = {}
    """each an :class:`bssci.decoders.interfaces.IDecoder`, by name"""
    files: Mapping[str, str] = {}
    """name of the decoder by name of the file"""
    problems: tuple[Problem, ...] = ()
    texts: Mapping[str, str] = {}
    """text of each file, as it was read"""
    wrong: Mapping[str, Problem] = {}
    """by file, each of :attr:`problems` that is about the file's own text"""


def json_decoder(name: str, text: str) -> Any:
    """Return the decoder in a JSON file: a blueprint, or data points.

    :raises DefinitionError: with line and reason.
    """
    document = parse(text)
    if is_datapoints(document):
        return compile_datapoints(name, document, text)
    if is_blueprint(document):
        return compile_blueprint(name, document, text)
    raise document.error("is neither a mioty blueprint (no uplink) nor a model (no dataPoints)")


KINDS: Mapping[str, ReadFile] = {".json": json_decoder, ".js": compile_script}
"""kind of decoder by the extension of a file's name"""


def build_library(
    texts: Mapping[str, str],
    kinds: Mapping[str, ReadFile] = KINDS,
    taken: Collection[str] = (),
    before: Library | None = None,
) -> Library:
    """Return the decoders of a folder's files. A wrong file affects no other.

    :param texts: texts of the files, by name.
    :param taken: names of decoders that do not come from files.
    :param before: the earlier content of the folder: the decoder or problem of an unchanged file is taken
        over, and the earlier decoder of a file that has become wrong is kept.
    """
    decoders: dict[str, Any] = {}
    files: dict[str, str] = {}
    problems: list[Problem] = []
    wrong: dict[str, Problem] = {}
    for file in sorted(texts)[:MAX_FILES]:
        name, ending = split_name(file)
        kind = kinds.get(ending)
        if kind is None:
            continue
        reason = _name_trouble(name, decoders, taken)
        if reason:
            problems.append(Problem(file=file, reason=reason))
            continue
        decoder, problem = _decoder(file, name, texts[file], kind, before)
        if problem is not None:
            wrong[file] = problem
        if decoder is not None:
            decoders[name], files[file] = decoder, name
    if len(texts) > MAX_FILES:
        problems.append(Problem(file=sorted(texts)[MAX_FILES], reason=f"only {MAX_FILES} files are read"))
    problems.extend(_shared_types(decoders, files))
    return Library(decoders, files, (*wrong.values(), *problems), dict(texts), wrong)


def check_file(
    file: str, text: str, kinds: Mapping[str, ReadFile] = KINDS
) -> tuple[Any, list[ExampleResult]]:
    """Return a file's decoder and the results of its examples.

    :raises ValueError: the file is wrong; DefinitionError if the line is known.
    """
    name, ending = split_name(file)
    kind = kinds.get(ending)
    if kind is None:
        raise ValueError(f"the name of a decoder's file ends in {' or '.join(sorted(kinds))}")
    reason = _name_trouble(name, (), ())
    if reason:
        raise ValueError(reason)
    decoder = kind(name, text)
    return decoder, examples_of(decoder)


def examples_of(decoder: Any) -> list[ExampleResult]:
    """Run the examples that a decoder carries; none if it has none."""
    return [run_example(decoder, example) for example in getattr(decoder, "examples", ())]


def split_name(file: str) -> tuple[str, str]:
    """Return a decoder's name and the extension of its file: ``meter.v2.json`` is ``meter.v2`` and
    ``.json``."""
    name, dot, ending = file.rpartition(".")
    return (name, f".{ending.lower()}") if dot else (file, "")


def name_fault(name: str) -> str:
    """Return what is wrong with the name of a decoder; empty if nothing is."""
    if _NAME.fullmatch(name) is None:
        return f"the name may have letters, digits, '_', '-' and '.', at most {MAX_NAME}"
    return ""


def _name_trouble(name: str, decoders: Collection[str], taken: Collection[str]) -> str:
    if fault := name_fault(name):
        return fault
    if name in decoders:
        return f"another file makes a decoder {name!r} already"
    if name in taken:
        return f"a built-in decoder is named {name!r}"
    return ""


def _decoder(
    file: str, name: str, text: str, kind: ReadFile, before: Library | None
) -> tuple[Any, Problem | None]:
    old = before.decoders.get(name) if before is not None and before.files.get(file) == name else None
    if before is not None and before.texts.get(file) == text and (old is not None or file in before.wrong):
        return old, before.wrong.get(file)
    line: int | None = None
    try:
        return kind(name, text), None
    except DefinitionError as error:
        reason, line = error.reason, error.line
    except ValueError as error:
        reason = str(error) or "is wrong"
    except Exception as error:  # a fault of the compiler must not cost the other files
        reason = f"cannot be compiled: {type(error).__name__}: {error}"
    reason = reason.replace("\n", " ")
    if old is not None:
        reason += f"; the earlier version {old.version} is still used"
    return old, Problem(file=file, reason=reason, line=line, refused=old is None)


def _shared_types(decoders: Mapping[str, Any], files: Mapping[str, str]) -> Iterable[Problem]:
    """Yield a problem for two decoders of one type of sensor, of which the first by name is used."""
    firsts: dict[str, str] = {}
    for file, name in sorted(files.items(), key=lambda item: item[1]):
        type_eui = getattr(decoders[name], "type_eui", None)
        if type_eui is None:
            continue
        if type_eui in firsts:
            yield Problem(
                file=file,
                reason=f"typeEui {type_eui} is also that of {firsts[type_eui]!r}, which is used for it",
                refused=False,
            )
        else:
            firsts[type_eui] = name
