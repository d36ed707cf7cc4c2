from __future__ import annotations

import pytest

from tests.support.web import WebHouse
from tests.web.html import Document


@pytest.mark.parametrize(
    ("query", "status"), [("", 200), ("?state=new", 200), ("?state=loud", 422), ("?page=0", 422)]
)
def test_alarms_are_chosen_by_state_and_page(web: WebHouse, query: str, status: int) -> None:
    assert web.browser("viewer").get(f"/alarms{query}").status == status


def test_a_page_without_alarms_says_so(web: WebHouse) -> None:
    text = Document(web.browser("viewer").get("/alarms").text).one("main").text
    assert "Nothing has been wrong yet" in text
