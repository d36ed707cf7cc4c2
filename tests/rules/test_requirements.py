"""``setup.cfg`` names every package that the code imports."""

from __future__ import annotations

import ast
import configparser
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.rules.source import statements

ROOT = Path(__file__).parents[2]
OURS = "bssci"


def named() -> set[str]:
    """Distributions of ``install_requires`` and of all extras, in lower case with ``-``."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    extras = [parser["options.extras_require"][extra] for extra in parser["options.extras_require"]]
    lines = "\n".join([parser["options"]["install_requires"], *extras]).splitlines()
    return {normal(re.split(r"[\[<>=! ]", line.strip())[0]) for line in lines if line.strip()}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def imported() -> tuple[tuple[str, str], ...]:
    """Name in full and file of every import of another package."""
    return tuple(_imported())


def _imported() -> Iterator[tuple[str, str]]:
    for path in [*(ROOT / "bssci").rglob("*.py"), *(ROOT / "twisted").rglob("*.py")]:
        for node in statements(path):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in names:
                top = name.partition(".")[0]
                if top != OURS and top not in sys.stdlib_module_names:
                    yield name, str(path.relative_to(ROOT))


@cache
def distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


def distribution(name: str) -> str:
    """The distribution that a module comes with, the one that all of a namespace share left aside."""
    top = name.partition(".")[0]
    if top == "zope":
        return normal(".".join(name.split(".")[:2]))
    found = sorted(set(distributions().get(top, [top])) - {OURS})
    return normal(found[0])


def test_every_import_is_named() -> None:
    names = named()
    missing = {
        f"{distribution(name)} ({file})" for name, file in imported() if distribution(name) not in names
    }
    assert missing == set()


def test_an_import_is_seen() -> None:
    seen = {distribution(name) for name, _ in imported()}
    assert {"twisted", "pyopenssl", "zope-interface", "msgspec", "service-identity"} <= seen
