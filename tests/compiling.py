"""``python -m tests.compiling``: compile all tests as pytest does, with all cores, before it is started.

Else each of pytest's processes would compile all of them, which takes longer than most tests.
"""

from __future__ import annotations

import sys
from multiprocessing import Pool
from pathlib import Path
from types import SimpleNamespace

from _pytest.assertion import rewrite

TESTS = Path(__file__).resolve().parent
_CONFIG = SimpleNamespace(getini=lambda name: False)
_STATE = SimpleNamespace(trace=print)


def compile_test(file: Path) -> None:
    """Keep the compiled code of a file whose assertions pytest explains, unless it is kept already."""
    kept = rewrite.get_cache_dir(file) / (file.stem + rewrite.PYC_TAIL)
    if rewrite._read_pyc(file, kept) is None:
        source, code = rewrite._rewrite_test(file, _CONFIG)
        kept.parent.mkdir(exist_ok=True)
        rewrite._write_pyc(_STATE, code, source, kept)


def main() -> None:
    files = [*TESTS.rglob("test_*.py"), *TESTS.rglob("conftest.py")]
    with Pool() as pool:
        try:
            pool.map(compile_test, files, chunksize=8)
        except (AttributeError, TypeError) as error:
            # Not what pytest promises to keep; without it, all takes longer.
            print(f"tests not compiled beforehand: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
