from __future__ import annotations

from bssci.settings import parsers
from bssci.settings.groups import Group
from bssci.settings.rows import Setting

ROW = Setting("WEB_THING", "", parsers.text, "a thing")


def test_a_group_has_a_word_for_addresses_and_its_rows() -> None:
    group = Group("Base stations", (ROW,))
    assert group.key == "base-stations"
    assert list(group) == [ROW]


def test_a_group_is_in_use_if_what_it_belongs_to_is_chosen() -> None:
    assert Group("Always", (ROW,)).is_in_use({})
    chosen = Group("Sink", (ROW,), chosen_by=("SINKS", "mqtt"))
    assert chosen.is_in_use({"SINKS": ("log", "mqtt")})
    assert not chosen.is_in_use({"SINKS": ("log",)})


def test_a_group_of_which_nothing_is_known_is_silent() -> None:
    group = Group("Own", (ROW,))
    assert (tuple(group.check({}, {})), tuple(group.places({})), group.certificates({}), group.about({})) == (
        (), (), {}, {},
    )  # fmt: skip
