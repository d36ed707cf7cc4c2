"""Why a request is refused: status, code and one line for whoever asked."""

from __future__ import annotations

from bssci.model.commands import CommandError

STATUS_OF_COMMAND = {
    "invalid": 422,
    "unknown_sensor": 404,
    "unknown_station": 404,
    "unknown_downlink": 404,
    "not_bidirectional": 409,
    "conflict": 409,
    "busy": 503,
    "unavailable": 503,
}


class ApiError(Exception):
    """Answered as ``{"success": false, "error": {code, message, field?}}``, or as a page.

    :ivar field: of the request that is wrong, if one is.
    :ivar retry_after: s until it is worth trying again.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        field: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.retry_after = retry_after


def invalid(field: str, message: str) -> ApiError:
    """A value that is not allowed; the message says what is."""
    return ApiError(422, "invalid", f"{field} {message}", field)


def not_found(message: str) -> ApiError:
    return ApiError(404, "not_found", message)


def from_command(error: CommandError) -> ApiError:
    """What the service center refused, with the fitting status."""
    status = STATUS_OF_COMMAND.get(error.code, 422)
    field = "queId" if error.field == "queue_id" else error.field
    return ApiError(status, error.code, error.message, field)
