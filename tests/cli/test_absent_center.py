from __future__ import annotations

import inspect

import pytest

from bssci.center.interfaces import ICenter
from bssci.cli.absent_center import AbsentCenter
from bssci.model import EUI
from bssci.model.commands import CommandError

MEMBERS = [name for name in [*vars(ICenter), *ICenter.__annotations__] if not name.startswith("_")]


@pytest.mark.parametrize("name", MEMBERS)
def test_it_has_what_a_running_one_has(name: str) -> None:
    center = AbsentCenter()
    assert hasattr(center, name)
    if callable(vars(ICenter).get(name)):
        assert inspect.signature(getattr(AbsentCenter, name)) == inspect.signature(getattr(ICenter, name))


async def test_it_carries_nothing_out() -> None:
    with pytest.raises(CommandError, match="is not running"):
        await AbsentCenter().attach([EUI("70B3D56770110001")])
