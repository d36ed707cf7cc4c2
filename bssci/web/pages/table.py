"""The table of pages (path, template, method for the data, role), and their rendering."""

from __future__ import annotations

import re
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

from jinja2 import BaseLoader, BytecodeCache, ChainableUndefined, Environment, FileSystemLoader

from bssci.web.access.accounts import Role, may
from bssci.web.formats import FILTERS, link
from bssci.web.pages.charts import draw
from bssci.web.pages.compiled import CompiledTemplates

WEB = Path(__file__).parent.parent
STATIC = WEB / "static"
"""folder of the files served below ``/static/``"""
TEMPLATES = WEB / "templates"
"""folder of the templates; in a checkout a link to the folder at its top"""


class Page(NamedTuple):
    """A page that is read with GET."""

    path: str
    template: str
    view: str
    """method that gives the template its data"""
    role: Role
    """least role that may see it"""


PAGES: tuple[Page, ...] = (
    Page("/", "dashboard.html", "dashboard", "viewer"),
    Page("/stations", "stations.html", "stations", "viewer"),
    Page("/stations/new", "station_form.html", "station_form", "admin"),
    Page("/stations/import", "station_import.html", "station_import", "admin"),
    Page("/stations/<eui>", "station.html", "station", "viewer"),
    Page("/stations/<eui>/edit", "station_form.html", "station_form", "admin"),
    Page("/sensors", "sensors.html", "sensors", "viewer"),
    Page("/sensors/unknown", "unknown_sensors.html", "unknown_sensors", "viewer"),
    Page("/sensors/new", "sensor_form.html", "sensor_form", "operator"),
    Page("/sensors/import", "sensor_import.html", "sensor_import", "operator"),
    Page("/sensors/<eui>", "sensor.html", "sensor", "viewer"),
    Page("/sensors/<eui>/edit", "sensor_form.html", "sensor_form", "operator"),
    Page("/sensors/<eui>/readings", "readings.html", "readings", "viewer"),
    Page("/devices", "devices.html", "devices", "viewer"),
    Page("/devices/<id>", "device.html", "device", "viewer"),
    Page("/gateways", "gateways.html", "gateways", "viewer"),
    Page("/gateways/<gateway>", "gateway.html", "gateway", "viewer"),
    Page("/controllers", "controllers.html", "controllers", "viewer"),
    Page("/controllers/import", "controller_import.html", "controller_import", "admin"),
    Page("/controllers/<address>", "controller.html", "controller", "viewer"),
    Page("/controllers/templates/new", "template.html", "new_template", "admin"),
    Page("/controllers/templates/<template>", "template.html", "template", "viewer"),
    Page("/devices/<id>/readings", "readings.html", "device_readings", "viewer"),
    Page("/provisioned", "provisioned.html", "provisioned", "viewer"),
    Page("/provisioned/<device>", "provisioned_device.html", "provisioned_device", "viewer"),
    Page("/decoders", "decoders.html", "decoders", "viewer"),
    Page("/decoders/new", "decoder.html", "new_decoder", "admin"),
    Page("/decoders/<name>", "decoder.html", "decoder", "viewer"),
    Page("/alarms", "alarms.html", "alarms", "viewer"),
    Page("/replays", "replays.html", "replays", "viewer"),
    Page("/live", "live.html", "live", "viewer"),
    Page("/logs", "logs.html", "logs", "viewer"),
    Page("/config", "configuration.html", "configuration", "viewer"),
    Page("/certificates", "certificates.html", "certificates", "viewer"),
    Page("/accounts", "accounts.html", "accounts", "viewer"),
    Page("/audit", "audit.html", "audit", "viewer"),
    Page("/explorer", "explorer.html", "explorer", "viewer"),
)


class _Templates(Environment):
    """Jinja2 where ``row["values"]`` of a dict without that key is undefined, and not the method of dicts."""

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, dict) and argument not in obj:
            return self.undefined(obj=obj, name=argument)
        return super().getitem(obj, argument)


def environment(loader: BaseLoader | None = None, compiled: BytecodeCache | None = None) -> Environment:
    """Return an environment of Jinja2 that escapes everything, with the filters of this service."""
    made = _Templates(
        loader=loader or FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=ChainableUndefined,
        bytecode_cache=compiled,
    )
    made.filters.update(FILTERS)
    made.globals.update(draw=draw, link=link, may=user_may, may_open=may_open)
    return made


def user_may(user: dict[str, Any] | None, role: Role) -> bool:
    """Return whether a user has a role or a higher one."""
    return user is not None and may(user["role"], role)


def may_open(user: dict[str, Any] | None, href: str) -> bool:
    """Return whether a link leads to a page that a user may see."""
    path = href.partition("?")[0].partition("#")[0]
    return all(user_may(user, page.role) for page in PAGES if page.path == path)


_environment = environment(compiled=CompiledTemplates(TEMPLATES, WEB))


_LINK = re.compile(r'\b(href|src|action)="/(?!/)')


def render(template: str, **context: Any) -> str:
    """Return a page as HTML.

    Templates write links from the root. ``prefix``, the path below which a reverse proxy shows the web
    admin, is put before each of them here. Text that people entered is not touched: quotation marks in
    it are escaped.

    Besides the template's own data, ``context`` holds for every page: user (name, role; or None), csrf,
    path, prefix, query, theme (auto, light, dark), version, now (Unix seconds), timezone, needs_restart.
    """
    text = _environment.get_template(template).render(**context)
    prefix = context.get("prefix")
    return _LINK.sub(rf'\1="{prefix}/', text) if prefix else text


def compile_templates(stopping: Event) -> None:
    """Compile all templates, so that nobody has to wait for it; to be run in a thread.

    :param stopping: once it is set, the remaining templates are left out, because the end of the process
        waits for its threads.
    """
    for name in _environment.list_templates(extensions=["html"]):
        if stopping.is_set():
            return
        _environment.get_template(name)
