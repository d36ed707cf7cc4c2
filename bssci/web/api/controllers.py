"""Controllers: tables that describe what sits at their pins, and commands to strikes and sirens."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from bssci.center.devices.controller_tables import (
    ControllerTables,
    ControllerTablesError,
    read_controller_tables,
)
from bssci.decoders.datapoints import DataPoints
from bssci.model.commands import Actor
from bssci.web.api.decoders import not_written
from bssci.web.api.schemas.common import DryRun, Scalar
from bssci.web.api.schemas.devices import ControllerAnswered, ControllerCommand, ImportedControllers
from bssci.web.context import Context
from bssci.web.http.call import Call
from bssci.web.http.errors import ApiError, invalid
from bssci.web.http.routing import JSON, route
from bssci.web.reports.decoders import BLUEPRINT, wrong_text
from bssci.web.reports.facade import Views

MAX_FILE = 16 * 1024 * 1024
"""bytes of an import"""


class ControllerRoutes:
    """Routes for controllers and what sits at their pins."""

    def __init__(self, context: Context, views: Views) -> None:
        self._context = context
        self._decoders = views.decoders
        self._commands = context.center.commands

    @route(
        "POST",
        "/api/devices/import",
        "admin",
        "Enter what sits at controllers, with a decoder for each template; wrong rows are left out and named",
        takes={JSON: dict[str, list[dict[str, Scalar]]]},
        max_body=MAX_FILE,
    )
    async def import_(self, call: Call, query: DryRun) -> ImportedControllers:
        try:
            found = await self._context.run_in_thread(read_controller_tables, call.body())
        except ControllerTablesError as error:
            raise invalid("file", str(error)) from error
        self._refuse_clashes(found.models)
        if not query.dry_run:
            await self._enter(found, call.actor)
        return ImportedControllers(
            dry_run=query.dry_run,
            models=list(found.models),
            devices=list(found.devices),
            empty_pins=found.empty_pins,
            wrong=found.wrong_count,
            errors=found.wrong,
        )

    @route(
        "POST",
        "/api/devices/{id}/command",
        "operator",
        "Have a controller's strike or siren do something; answers when its state follows, or after 10 s",
    )
    async def command(self, call: Call, body: ControllerCommand) -> ControllerAnswered:
        message = msgspec.to_builtins(body)
        answer = await self._commands.devices.command(call.path["id"], message, call.actor)
        return ControllerAnswered(
            topic=answer.topic,
            answered=answer.answered,
            state=None if answer.state is None else dict(answer.state),
        )

    def _refuse_clashes(self, models: Mapping[str, str]) -> None:
        """Refuse models that would replace a decoder of another kind.

        :raises ApiError: 409
        """
        there = self._decoders.decoders.decoding.decoders
        for name in models:
            if name in there and not isinstance(there[name], DataPoints):
                raise ApiError(409, "conflict", f"there is another decoder {name}: rename the template")

    async def _enter(self, found: ControllerTables, by: Actor) -> None:
        """Enter models and devices, all or none."""
        present = await self._decoders.decoders.folder.load()
        files = {
            self._decoders.file_of(name) or name + BLUEPRINT: text for name, text in found.models.items()
        }
        changed = {file: text for file, text in files.items() if present.texts.get(file) != text}
        try:
            async with self._decoders.files.importing(changed, by):
                await self._commands.devices.import_(found.devices, by)
        except ValueError as error:
            raise wrong_text(error) from error
        except OSError as error:
            raise not_written(error) from error
