"""bssci.mqtt.server.topics: the specification's own examples, and the tree against the definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bssci.mqtt.server.topics import FilterTree, TopicError, check_filter, covers, matches, overlap

LEVELS = st.sampled_from(["a", "b", "", "$s"])
TOPICS = st.lists(LEVELS, min_size=1, max_size=4).map("/".join).filter(bool)
FILTERS = st.builds(
    lambda levels, end: "/".join([*levels, *end]),
    st.lists(st.one_of(LEVELS, st.just("+")), max_size=3),
    st.sampled_from([[], ["#"]]),
).filter(bool)


@pytest.mark.parametrize("text", ["a", "/", "+", "#", "a/+/b", "a/#", "+/+", "/+", "$SYS/#", "x" * 65535])
def test_what_the_standard_allows_as_a_filter_is_taken(text: str) -> None:
    check_filter(text)


@pytest.mark.parametrize("text", ["", "a/#/b", "+a", "a+", "#/", "a#", "a/b#", "a\0", "/".join("a" * 33)])
def test_what_is_no_filter(text: str) -> None:
    with pytest.raises(TopicError):
        check_filter(text)


@pytest.mark.parametrize(
    "text, topic, expected",
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("#", "$SYS/broker", False),
        ("+/broker", "$SYS/broker", False),
        ("$SYS/#", "$SYS/broker", True),
    ],
)
def test_examples_of_the_specification(text: str, topic: str, expected: bool) -> None:
    assert matches(text, topic) is expected
    tree: FilterTree[str] = FilterTree()
    tree.add(text, "me", 1)
    assert tree.find(topic) == ({"me": 1} if expected else {})


@pytest.mark.parametrize(
    ("wide", "narrow", "does"),
    [
        ("#", "a/b", True),
        ("#", "$SYS/#", False),
        ("+/a", "$SYS/a", False),
        ("a/#", "a", True),
        ("a/#", "a/+/b/#", True),
        ("a/+", "a/b", True),
        ("a/+", "a/+", True),
        ("a/+", "a/#", False),
        ("a/+", "a/b/c", False),
        ("a/+/c", "a/b", False),
        ("a/b", "a/+", False),
        ("a/+/x", "a/b/#", False),
    ],
)
def test_a_filter_covers_another_if_it_covers_each_of_its_topics(wide: str, narrow: str, does: bool) -> None:
    assert covers(wide, narrow) is does


@given(FILTERS, FILTERS, TOPICS)
def test_what_covers_another_matches_all_that_it_matches(one: str, other: str, topic: str) -> None:
    if covers(one, other) and matches(other, topic):
        assert matches(one, topic)
    if matches(one, topic) and matches(other, topic):
        assert overlap(one, other)


@given(st.lists(st.tuples(FILTERS, st.integers(0, 1)), max_size=6), TOPICS)
def test_the_tree_finds_what_the_filters_match(filters: list[tuple[str, int]], topic: str) -> None:
    tree: FilterTree[int] = FilterTree()
    for number, (text, qos) in enumerate(filters):
        tree.add(text, number, qos)
    expected = {number: qos for number, (text, qos) in enumerate(filters) if matches(text, topic)}
    assert tree.find(topic) == expected
    for number, (text, _) in enumerate(filters):
        tree.remove(text, number)
    assert tree.find(topic) == {}
    assert not tree._root.children


def test_the_highest_quality_of_a_subscriber_counts() -> None:
    tree: FilterTree[str] = FilterTree()
    tree.add("a/#", "me", 0)
    tree.add("a/+", "me", 1)
    assert tree.find("a/b") == {"me": 1}
    tree.add("a/+", "me", 0)
    assert tree.find("a/b") == {"me": 0}
    tree.remove("never/was", "me")
