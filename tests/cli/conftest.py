"""Passwords that are hashed by Argon2 as ever, but quickly."""

from __future__ import annotations

from functools import partial

import pytest
from argon2 import PasswordHasher


@pytest.fixture(autouse=True)
def _quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = partial(PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr("bssci.web.access.accounts.PasswordHasher", quick)
