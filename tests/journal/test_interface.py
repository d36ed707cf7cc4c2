"""Every implementation of the journal keeps the contract."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.internet import reactor

from bssci.journal import Journal, interface, open_journal
from bssci.journal.kept import KEPT
from bssci.journal.sqlite import database
from tests.journal import contract
from tests.support.inline_journal import copy_empty_file

IMPLEMENTATIONS: dict[str, Callable[[Path], Journal]] = {
    "sqlite": lambda directory: open_journal(directory, reactor),
}
"""how each is opened in a directory; another implementation is another line here"""


@pytest.fixture(params=list(IMPLEMENTATIONS))
def opener(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Journal]:
    monkeypatch.setattr(database, "create_file", copy_empty_file)
    return IMPLEMENTATIONS[request.param]


class TestJournal(contract.Contract):
    """The contract, over each implementation."""


def test_the_contract_asks_for_all_that_the_interface_promises() -> None:
    used = {
        node.attr
        for node in ast.walk(ast.parse(inspect.getsource(contract)))
        if isinstance(node, ast.Attribute)
    }
    classes = [
        each
        for each in vars(interface).values()
        if inspect.isclass(each) and each.__module__ == interface.__name__
    ]
    promised = {name for each in classes for name in vars(each) if not name.startswith("_")}
    assert promised - used == set()


def test_the_contract_stores_a_row_of_every_table() -> None:
    assert {type(record) for record in contract.RECORDS} == set(KEPT)
