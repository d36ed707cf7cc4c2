from __future__ import annotations

import re

from bssci.web.api.metrics_table import FIGURES, TABLE, documentation
from tests.support.web import WebHouse

MEASURED = {"bssci_uplink_merge_seconds", "bssci_web_seconds", "bssci_web_answers"}
"""figures that are counted as they happen"""
SOMETIMES = {"bssci_provisioned_next_end_seconds"}
"""figures that are left out while there is nothing to tell"""


def test_no_figure_stands_twice() -> None:
    assert len(FIGURES) == sum(map(len, TABLE.values()))


def test_every_figure_of_the_table_is_shown(web: WebHouse) -> None:
    page = web.browser("viewer").get("/metrics").text
    shown = {name.removesuffix("_total") for name in re.findall(r"^# TYPE (bssci_\w+)", page, re.M)}
    assert {name for name in shown if not name.endswith("_created")} - MEASURED == FIGURES.keys() - SOMETIMES


def test_the_document_names_every_figure() -> None:
    assert all(f"| `{name}" in documentation() for name in FIGURES.keys() | MEASURED)
