from __future__ import annotations

import pytest

from bssci.model.dry_run import dry_run_field


@pytest.mark.parametrize("name", ["dry_run", "dryRun", "DRY-RUN", "dryrun", "_dry run"])
def test_a_dry_run_is_known_in_any_spelling(name: str) -> None:
    assert dry_run_field(["name", name]) == name


def test_other_fields_ask_for_none() -> None:
    assert dry_run_field(["name", "dry", "run", "dry_runs"]) is None
