"""Requests that are only to be checked, and not carried out."""

from __future__ import annotations

import re
from collections.abc import Iterable


def dry_run_field(names: Iterable[str]) -> str | None:
    """Return the field of a request that asks for a dry run, in any spelling, as ``dryRun`` or ``DRY-RUN``;
    None if there is none.
    """
    return next((name for name in names if re.sub(r"[\W_]", "", name).lower() == "dryrun"), None)
