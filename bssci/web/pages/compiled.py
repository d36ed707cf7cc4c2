"""Compiled templates, kept beside their sources as Python keeps its own modules."""

from __future__ import annotations

import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket, FileSystemBytecodeCache


class CompiledTemplates(FileSystemBytecodeCache):
    """The folder ``__pycache__`` in a folder of templates: compiling them all takes a second of CPU.

    What was compiled from another text, by another Python or Jinja2, or with other filters is compiled again;
    the filters matter as Jinja2 evaluates those of constants while it compiles. Nothing is written if Python
    may not write either (``PYTHONDONTWRITEBYTECODE``). Where the folder is read-only, each process compiles
    for itself.

    :param templates: folder of the templates.
    :param code: folder of the modules whose functions the templates call.
    """

    def __init__(self, templates: Path, code: Path) -> None:
        self._folder = templates / "__pycache__"
        version = sha256(jinja2.__version__.encode())
        for module in sorted(code.glob("**/*.py")):
            version.update(module.read_bytes())
        self._version = version.hexdigest()
        super().__init__(str(self._folder), f"%s.{sys.implementation.cache_tag}.jinja")

    def get_source_checksum(self, source: str) -> str:
        return self._version + super().get_source_checksum(source)

    def load_bytecode(self, bucket: Bucket) -> None:
        try:
            super().load_bytecode(bucket)
        except Exception:
            # Whatever a damaged file makes unpickling raise.
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        if sys.dont_write_bytecode:
            return
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            super().dump_bytecode(bucket)
