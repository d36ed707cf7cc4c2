"""What takes long, done once or with less effort: a look for plugins, and Argon2."""

from __future__ import annotations

from functools import partial

import pytest
from argon2 import PasswordHasher

from bssci import extensions
from tests.support.settings import INSTALLED


@pytest.fixture(autouse=True)
def _known_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extensions, "discover", lambda: INSTALLED)


@pytest.fixture(autouse=True)
def _quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = partial(PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr("bssci.web.access.accounts.PasswordHasher", quick)
