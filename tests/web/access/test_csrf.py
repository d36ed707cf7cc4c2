from __future__ import annotations

import pytest

from bssci.web.access.csrf import MAX_SHOWN, masked, shows

TOKEN = "x3Zk-_Ab9"


def test_each_text_is_another_one_and_shows_the_token() -> None:
    texts = {masked(TOKEN) for _ in range(20)}
    assert len(texts) == 20
    assert all(shows(text, TOKEN) and TOKEN not in text for text in texts)
    assert shows(TOKEN, TOKEN)


@pytest.mark.parametrize("text", ["", "x", "ä" * 9, TOKEN[:-1], "=", "A" * (MAX_SHOWN + 4), "\x00\udcff"])
def test_any_other_text_does_not_show_it(text: str) -> None:
    assert not shows(text, TOKEN)
    assert not shows(masked(f"{TOKEN}."), TOKEN)
