"""Decoders for the demo's sensors, which an installed package, unlike a clone, has no ``decoders/`` for."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from bssci.center.decoding.folder import read_folder
from bssci.decoders.library import KINDS, split_name
from bssci.system.files import write_atomically


def provide(folder: Path) -> list[Path]:
    """Write the decoders that a folder lacks; return their paths.

    An existing file of the same name, or another decoder for the same type of sensor, is kept and used.
    """
    _, library = read_folder(folder, KINDS)
    types = {_type_of(decoder) for decoder in library.decoders.values()}
    written = []
    for file, text in shipped():
        name, ending = split_name(file)
        type_eui = _type_of(KINDS[ending](name, text))
        target = folder / file
        if target.exists() or (type_eui is not None and type_eui in types):
            continue
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(target, text.encode(), 0o644)
        written.append(target)
    return written


def shipped() -> Iterator[tuple[str, str]]:
    """Yield name and text of each decoder file in the package."""
    for file in sorted((files("bssci.simulator") / "decoders").iterdir(), key=lambda each: each.name):
        if split_name(file.name)[1] in KINDS:
            yield file.name, file.read_text(encoding="utf-8")


def _type_of(decoder: Any) -> str | None:
    return getattr(decoder, "type_eui", None)
