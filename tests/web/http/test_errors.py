from __future__ import annotations

import pytest

from bssci.model.commands import CommandError
from bssci.web.http.errors import MAX_FIELDS, from_command, invalid, invalid_fields, not_found


def test_a_wrong_value_is_named_with_its_field() -> None:
    error = invalid("page", "must be a whole number")
    assert (error.status, error.code, error.message, error.field) == (
        422, "invalid", "page must be a whole number", "page",
    )  # fmt: skip


def test_several_wrong_fields_are_told_together() -> None:
    error = invalid_fields({"a": "is missing", "b": "is too long"})
    assert error.message == "a is missing; b is too long"
    assert error.field == "a"
    assert [each.field for each in error.errors] == ["a", "b"]
    assert invalid_fields({"a": "is missing"}).errors == ()


def test_thousands_of_wrong_fields_are_counted_and_not_all_listed() -> None:
    error = invalid_fields({f"f{number}": "is not known" for number in range(5000)})
    assert len(error.errors) == MAX_FIELDS
    assert error.message.endswith(f"f{MAX_FIELDS - 1} is not known; and {5000 - MAX_FIELDS} more fields")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("unknown_sensor", 404),
        ("not_bidirectional", 409),
        ("unavailable", 503),
        ("invalid", 422),
        ("own", 422),
    ],
)
def test_what_the_service_center_refuses_has_a_fitting_status(code: str, status: int) -> None:
    assert from_command(CommandError(code, "no")).status == status


def test_a_field_has_the_name_that_the_api_gives_it() -> None:
    assert from_command(CommandError("invalid", "no", "queue_id")).field == "queId"
    assert from_command(CommandError("invalid", "no", "data")).field == "data"


def test_what_is_not_there() -> None:
    assert not_found("nothing").status == 404
