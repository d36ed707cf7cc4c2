"""Detection of ``bssci_config.py``, the configuration of older installations, which is not read any more."""

from __future__ import annotations

import ast
from pathlib import Path

OLD_CONFIG = Path("bssci_config.py")
MAX_BYTES = 1_000_000


def old_config_warning(path: Path = OLD_CONFIG) -> str | None:
    """Return a one-line warning that names the values of an old configuration; None if there is none."""
    try:
        with path.open("rb") as file:
            source = file.read(MAX_BYTES)
    except OSError:
        return None
    try:
        names = list(dict.fromkeys(_assigned(ast.parse(source))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        names = []
    what = f" ({', '.join(names)})" if names else ""
    return f"{path} is not read: its values{what} belong in .env, under their names in docs/settings.md"


def _assigned(module: ast.Module) -> list[str]:
    names = []
    for node in module.body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            names += [
                each.id for each in ast.walk(target) if isinstance(each, ast.Name) and each.id.isupper()
            ]
    return names
