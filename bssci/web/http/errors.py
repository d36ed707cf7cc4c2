"""Errors that refuse a request: status, code and one line of explanation."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from bssci.model.commands import CommandError
from bssci.web.http.replies import FieldReason

MAX_FIELDS = 100
"""wrong fields of a request that are listed: it may hold thousands, and anybody may send it"""
STATUS_OF_COMMAND = {
    "invalid": 422,
    "unknown_sensor": 404,
    "unknown_station": 404,
    "unknown_downlink": 404,
    "unknown_replay": 404,
    "unknown_alarm": 404,
    "unknown_device": 404,
    "unknown_gateway": 404,
    "not_bidirectional": 409,
    "conflict": 409,
    "busy": 503,
    "unavailable": 503,
}


class ApiError(Exception):
    """A refused request: answered as ``{"success": false, "error": {code, message, field?}}``, or as a page.

    :ivar field: the field of the request that is wrong, if one is.
    :ivar retry_after: s until it is worth trying again.
    :ivar errors: all fields that are wrong, if there are several.
    :ivar more: further members of the answer, beside ``success`` and ``error``.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        field: str | None = None,
        retry_after: float | None = None,
        errors: tuple[FieldReason, ...] = (),
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.retry_after = retry_after
        self.errors = errors
        self.more = more or {}


def invalid(field: str, message: str) -> ApiError:
    """Return the error for a value that is not allowed; the message says what is allowed."""
    return ApiError(422, "invalid", f"{field} {message}", field)


def invalid_fields(wrong: Mapping[str, str]) -> ApiError:
    """Return one error for the wrong fields of a request; the message says what is allowed in each, up to
    :data:`MAX_FIELDS`.
    """
    problems = [
        FieldReason(field=field, message=f"{field} {text}")
        for field, text in islice(wrong.items(), MAX_FIELDS)
    ]
    errors = tuple(problems) if len(problems) > 1 else ()
    message = "; ".join(each.message for each in problems)
    if len(wrong) > MAX_FIELDS:
        message += f"; and {len(wrong) - MAX_FIELDS} more fields"
    return ApiError(422, "invalid", message, problems[0].field, errors=errors)


def not_found(message: str) -> ApiError:
    """Return the error for something that does not exist."""
    return ApiError(404, "not_found", message)


def from_command(error: CommandError, more: Mapping[str, Any] | None = None) -> ApiError:
    """Return the error for a command that the service center refused, with the fitting status.

    :param more: further members of the answer.
    """
    status = STATUS_OF_COMMAND.get(error.code, 422)
    if len(error.faults) > 1:
        return invalid_fields(error.faults)
    field = "queId" if error.field == "queue_id" else error.field
    return ApiError(status, error.code, error.message, field, more=more)
