"""Devices with certificates of ours: provisioned, handed over once, renewed and revoked."""

from __future__ import annotations

from bssci.certificates.mosquitto import DEVICE_RULES
from bssci.certificates.provisioning import Provisioning
from bssci.certificates.qr_code import QrCodeError, as_svg
from bssci.web.api.schemas.common import told
from bssci.web.api.schemas.provisioned import (
    NewProvisioned,
    ProvisionedDetail,
    ProvisionedList,
    ProvisionedNow,
    WantedProvisioned,
)
from bssci.web.context import Context
from bssci.web.http.call import Call
from bssci.web.http.errors import ApiError, not_found
from bssci.web.http.replies import Reply, as_file
from bssci.web.http.routing import route
from bssci.web.reports.facade import Views

ZIP, SVG, TEXT = "application/zip", "image/svg+xml", "text/plain"
CA, LIST, RULES = "ca_cert.pem", "revoked.pem", "devices.acl"


class ProvisionedRoutes:
    """Routes for provisioned devices, which have certificates of our authority."""

    def __init__(self, context: Context, views: Views) -> None:
        self._context = context
        self._views = views.provisioned
        self._commands = context.center.commands

    @route("GET", "/api/provisioned", "viewer", "Provisioned devices, and when their certificates expire")
    async def all(self, call: Call, query: WantedProvisioned) -> ProvisionedList:
        listed = await self._views.list(
            q=query.q, state=query.state or "", page=query.page, per_page=query.per_page
        )
        return told(ProvisionedList, listed)

    @route("POST", "/api/provisioned", "admin", "Make key, certificate and configuration of a device")
    async def add(self, call: Call, body: NewProvisioned) -> ProvisionedNow:
        name = await self._commands.provision(
            body.id, call.actor, serial_number=body.serial_number, force=body.force
        )
        return await self._now(name)

    @route("GET", "/api/provisioned/{id}", "viewer", "One device, by its name or its MAC address")
    async def detail(self, call: Call) -> ProvisionedDetail:
        return told(ProvisionedDetail, await self._views.detail(call.path["id"]))

    @route(
        "POST",
        "/api/provisioned/{id}/renew",
        "admin",
        "Make another key and certificate; the old one is revoked",
    )
    async def renew(self, call: Call) -> ProvisionedNow:
        name = self._views.name_of(call.path["id"])
        return await self._now(await self._commands.renew_provisioned(name, call.actor))

    @route(
        "POST",
        "/api/provisioned/{id}/revoke",
        "admin",
        "Put its certificate on the revocation list: the broker refuses it once it has read that",
    )
    async def revoke(self, call: Call) -> ProvisionedNow:
        name = self._views.name_of(call.path["id"])
        return await self._now(await self._commands.revoke_provisioned(name, call.actor))

    @route(
        "POST",
        "/api/provisioned/{id}/bundle",
        "admin",
        "Key, certificate and configuration as an archive, this once; audited",
        content_type=ZIP,
    )
    async def bundle(self, call: Call) -> Reply[bytes]:
        name = self._views.name_of(call.path["id"])
        return as_file(await self._commands.take_bundle(name, call.actor), f"{name}.zip", ZIP)

    @route(
        "GET",
        "/api/provisioned/{id}/qr",
        "viewer",
        "Its client configuration, without the key, as a QR code",
        content_type=SVG,
    )
    async def qr(self, call: Call) -> Reply[bytes]:
        name = self._views.name_of(call.path["id"])
        configuration = await self._context.center.provisioned.configuration_of(name)
        try:
            return Reply(as_svg(configuration), SVG)
        except QrCodeError as error:
            raise ApiError(503, "unavailable", str(error)) from error

    @route(
        "GET",
        "/api/broker/{file}",
        "viewer",
        f"For the broker of the devices: {CA} (their authority), {LIST} (whom it revoked), {RULES}",
        content_type=TEXT,
    )
    async def broker_file(self, call: Call) -> Reply[bytes]:
        file, settings = call.path["file"], self._context.settings
        if file == RULES:
            return as_file(DEVICE_RULES.encode(), RULES, TEXT)
        files = Provisioning(settings.device_ca_file, settings.ca_file)
        paths = {CA: files.authority_bytes, LIST: files.list_file.read_bytes}
        if file not in paths:
            raise not_found(f"no such file; there are {CA}, {LIST} and {RULES}")
        try:
            return as_file(await self._context.run_in_thread(paths[file]), file, TEXT)
        except OSError:
            raise not_found(f"there is no {file} yet: it comes with the first device") from None

    async def _now(self, name: str) -> ProvisionedNow:
        return ProvisionedNow(device=told(ProvisionedDetail, await self._views.detail(name)))
