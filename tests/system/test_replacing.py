"""Files that are replaced together or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from twisted.logger import capturedLogs

from bssci.system.replacing import (
    DAMAGED,
    finish_replacement,
    replace_together,
    stage_together,
    take_staged,
)


def test_files_are_replaced_together_and_drafts_never_placed_are_swept(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "replacement.new").mkdir()
    (state / "replacement.new" / "0").write_bytes(b"a key that was never put in place")
    assert finish_replacement(state) == []
    assert os.listdir(state) == []
    replace_together(state, {tmp_path / "one": b"1", tmp_path / "deep" / "two": b"2"})
    assert ((tmp_path / "one").read_bytes(), (tmp_path / "deep" / "two").read_bytes()) == (b"1", b"2")
    assert os.listdir(state) == []


def test_a_file_may_be_moved_to_its_place_or_removed(tmp_path: Path) -> None:
    state, large, old = tmp_path / "state", tmp_path / "large", tmp_path / "old"
    state.mkdir()
    (state / "draft").write_bytes(b"new")
    large.write_bytes(b"before")
    old.write_bytes(b"old")
    replace_together(state, {tmp_path / "small": b"small", large: state / "draft", old: None})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == {
        "small": b"small",
        "large": b"new",
    }
    assert os.listdir(state) == []


def test_a_replacement_under_way_is_finished_before_what_is_staged(tmp_path: Path) -> None:
    state, place = tmp_path / "state", tmp_path / "one"
    state.mkdir()
    stage_together(state, {place: b"under way"})
    os.rename(state / "staged", state / "replacement")
    stage_together(state, {place: b"staged"})
    assert take_staged(state) == [place]
    assert place.read_bytes() == b"staged"
    assert os.listdir(state) == []


def test_what_is_staged_waits_for_a_start_and_the_last_one_counts(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    place = tmp_path / "one"
    stage_together(state, {place: b"1"})
    stage_together(state, {place: b"2"})
    replace_together(state, {tmp_path / "other": b"x"})
    assert finish_replacement(state) == [] and not place.exists()
    assert take_staged(state) == [place]
    assert place.read_bytes() == b"2"
    assert take_staged(state) == [] and list(state.iterdir()) == []


@pytest.mark.parametrize(
    "plan",
    [
        b'{"0": "\xff"}',
        b'{"0": "/one", ',
        b"[]",
        b'{"0": 1}',
        b'{"0": "one"}',
        b'{"0": "/one\\u0000"}',
        b'{"1": "/one"}',
        b'{"../0": "/one"}',
        b"[" * 100_000,
        b'{"0": ' + b"1" * 5000 + b"}",
    ],
)
def test_a_damaged_replacement_is_set_aside(tmp_path: Path, plan: bytes) -> None:
    for _ in range(2):
        (tmp_path / "staged").mkdir()
        (tmp_path / "staged" / "0").write_bytes(b"new")
        (tmp_path / "staged" / "plan.json").write_bytes(plan)
        with capturedLogs() as told:
            assert take_staged(tmp_path) == []
        assert [event["log_level"].name for event in told] == ["error"]
        assert finish_replacement(tmp_path) == []
        assert os.listdir(tmp_path) == [DAMAGED]
        assert (tmp_path / DAMAGED / "0").read_bytes() == b"new"


def test_a_plan_is_finished_where_files_were_moved_already(tmp_path: Path) -> None:
    ready, gone = tmp_path / "replacement", tmp_path / "gone"
    ready.mkdir()
    gone.write_text("")
    plan = {"move-0": str(tmp_path / "one"), "remove-1": str(gone)}
    (ready / "plan.json").write_text(json.dumps(plan))
    assert finish_replacement(tmp_path) == [tmp_path / "one", gone]
    assert os.listdir(tmp_path) == []
