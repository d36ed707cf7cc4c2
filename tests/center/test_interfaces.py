"""What a sink or a source may ask is what it is given."""

from __future__ import annotations

import inspect

from bssci.center.access import Access
from bssci.center.interfaces import ICenter


def test_every_question_has_its_answer_with_the_same_arguments() -> None:
    asked = {
        name: method
        for name, method in vars(ICenter).items()
        if inspect.isfunction(method) and name[0] != "_"
    }
    assert len(asked) > 10
    for name, method in asked.items():
        if name == "now":  # the center's own method, taken over when the access is made
            continue
        answer = inspect.signature(getattr(Access, name))
        assert answer == inspect.signature(method), name
