"""Certificates: listed, generated, revoked, uploaded with checks, downloaded, backed up and restored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cryptography import x509

from bssci.center.certificate_commands import CertificateCommands
from bssci.certificates.issuing import parse_host
from bssci.certificates.reading import CertificateError
from bssci.certificates.store import (
    CA,
    CA_KEY,
    FILES,
    SECRET_FILES,
    SERVER,
    SERVER_KEY,
    split_pem,
)
from bssci.web.access.accounts import may
from bssci.web.api.schemas.certificates import (
    BundleOptions,
    CertificateList,
    Generate,
    Replaced,
    Restoring,
    Revoke,
    RevokedNow,
    Upload,
)
from bssci.web.api.schemas.common import DryRun, TrialAnswer, told
from bssci.web.api.schemas.settings import SettingValues
from bssci.web.api.service import changes_of
from bssci.web.context import Context
from bssci.web.http.call import Call
from bssci.web.http.errors import ApiError, invalid, not_found
from bssci.web.http.reading import read_struct
from bssci.web.http.replies import Reply, as_file
from bssci.web.http.routing import JSON, route
from bssci.web.reports.facade import Views

UPLOADS = {
    "ca": {"certificate": CA, "key": CA_KEY},
    "server": {"certificate": SERVER, "key": SERVER_KEY},
    "set": {"certificate": SERVER, "key": SERVER_KEY, "ca": CA, "ca_key": CA_KEY},
}
"""certificate file for each member of an upload"""
MAX_ARCHIVE = 16 * 1024 * 1024
"""bytes of a backup"""
MAX_UPLOAD = 2 * 1024 * 1024
"""bytes of one upload: four files, as JSON"""
_KEY_OF = {CA: CA_KEY, SERVER: SERVER_KEY}
OTHER_FILES = ("_CERT_FILE", "_KEY_FILE", "_CA_FILE")
"""end the names of settings for certificates that are not for base stations"""
ZIP = "application/zip"
PEM = "application/x-pem-file"


class CertificateRoutes:
    """Routes for certificates."""

    def __init__(self, context: Context, views: Views, commands: CertificateCommands) -> None:
        self._context = context
        self._views = views.certificates
        self._commands = commands

    @route("GET", "/api/certificates/status", "viewer", "Certificates with days left, errors and warnings")
    async def status(self, call: Call) -> CertificateList:
        return told(CertificateList, await self._views.status())

    @route(
        "GET",
        "/api/certificates/download/{file}",
        "viewer",
        "One file: ca, server, web if used, those of sinks; for administrators, audited: server_key, ca_key",
        content_type=PEM,
    )
    async def download(self, call: Call) -> Reply[bytes]:
        asked, paths = call.path["file"], self._commands.paths
        named = {paths[file].name: file for file in FILES}
        file = named.get(asked, asked.removesuffix(".pem"))
        if file not in paths:
            raise not_found(f"no such file; there are {', '.join(paths)}")
        if file in SECRET_FILES and not may(call.identity.role, "admin"):
            raise ApiError(403, "forbidden", "private keys are for the role admin only")
        with _refusals():
            return as_file(await self._commands.read(file, call.actor), f"{file}.pem", PEM)

    @route(
        "POST",
        "/api/certificates/upload/{type}",
        "admin",
        "Replace certificates after checks: ca, server, or a set of both",
        takes={JSON: Upload, PEM: str},
        max_body=MAX_UPLOAD,
    )
    async def upload(self, call: Call, query: DryRun) -> Replaced:
        kind = call.path["type"]
        if kind not in UPLOADS:
            raise not_found(f"no such type; there are {', '.join(UPLOADS)}")
        is_pem = call.content_type() == PEM
        body = {"certificate": call.body().decode("ascii", "replace")} if is_pem else call.json()
        upload = read_struct(Upload, body)
        return await self._replace(
            call, _uploaded(kind, upload), f"upload {kind}", upload.force, is_dry=query.dry_run
        )

    @route(
        "POST",
        "/api/certificates/check",
        "admin",
        "Whether the service could start, with settings that are not saved if some are given",
        takes={JSON: SettingValues},
    )
    async def check(self, call: Call) -> TrialAnswer:
        configuration = self._context.configuration
        values = changes_of(configuration, call.json()) if call.body() else {}
        settings = await configuration.draft(values) if values else configuration.current
        catalogue = configuration.catalogue
        with _refusals():
            errors, warnings = await self._commands.problems(settings)
        try:
            files = [name for name in catalogue.rows if name.endswith(OTHER_FILES)]
            await self._context.run_in_thread(catalogue.refuse_unusable, settings, files)
        except ValueError as error:
            errors = [*errors, str(error)]
        lines = [{"ok": False, "text": text} for text in errors]
        if not lines:
            lines.append({"ok": True, "text": "Certificate, key and authority fit each other"})
        lines += [{"ok": True, "text": text} for text in warnings]
        return told(TrialAnswer, {"ok": not errors, "lines": lines})

    @route(
        "POST",
        "/api/certificates/generate",
        "admin",
        "A new certificate for the service center; with what=all also a new authority",
    )
    async def generate(self, call: Call, query: DryRun, body: Generate) -> Replaced:
        try:
            hosts = [parse_host(each) for each in body.hosts]
        except ValueError as error:
            raise invalid("hosts", f"must be names and addresses: {error}") from None
        with _refusals():
            files = await self._commands.generate(body.what == "all", hosts)
        return await self._replace(call, files, f"generate {body.what}", body.force, is_dry=query.dry_run)

    @route(
        "GET",
        "/api/certificates/backup",
        "admin",
        "Authorities, the service center's certificate, their keys, bundles as one archive, audited; "
        "without the files of the web admin, of sinks and sources",
        content_type=ZIP,
    )
    async def backup(self, call: Call) -> Reply[bytes]:
        with _refusals():
            return as_file(await self._commands.backup(call.actor), "certificates.zip", ZIP)

    @route(
        "POST",
        "/api/certificates/restore",
        "admin",
        "Put back a backup; all or nothing",
        takes={ZIP: bytes},
        max_body=MAX_ARCHIVE,
    )
    async def restore(self, call: Call, query: Restoring) -> Replaced:
        if call.content_type() not in (ZIP, "application/octet-stream"):
            raise ApiError(415, "unsupported_media_type", f"the body must be {ZIP}")
        with _refusals():
            files, others = await self._commands.unpack(call.body())
        return await self._replace(call, files, "restore", query.force, others, is_dry=query.dry_run)

    @route(
        "POST",
        "/api/certificates/station/{eui}",
        "admin",
        "Host, port, steps and the three files for a base station as an archive, made if need be; audited",
        content_type=ZIP,
    )
    async def station(self, call: Call, body: BundleOptions) -> Reply[bytes]:
        eui = call.eui()
        try:
            host = parse_host(body.host) if body.host.strip() else ""
        except ValueError:
            raise invalid("host", "must be a host name or an address, without http:// or a port") from None
        with _refusals():
            archive = await self._commands.station_bundle(eui, host, call.actor, renew=body.renew)
        return as_file(archive, f"{eui}.zip", ZIP)

    @route(
        "POST",
        "/api/certificates/revoke",
        "admin",
        "Revoke one certificate of our authority: refused from now on, and who is connected with it cut off",
    )
    async def revoke(self, call: Call, body: Revoke) -> RevokedNow:
        with _refusals():
            certificate = await self._to_revoke(body)
            revoked = await self._commands.revoke(certificate, call.actor, body.eui)
        return RevokedNow(subject=revoked.subject, serial=revoked.serial, cut_off=revoked.cut_off)

    async def _to_revoke(self, body: Revoke) -> x509.Certificate:
        """Return the certificate that is meant: of a station the one that it showed last, or of its bundle.

        :raises ApiError: 422
        """
        if (body.certificate is None) == (body.eui is None):
            raise invalid("certificate", "or eui must be given, and only one of them")
        if body.eui is not None:
            return await self._commands.certificate_of(body.eui)
        try:
            return x509.load_pem_x509_certificate((body.certificate or "").encode("ascii", "replace"))
        except ValueError:
            raise invalid("certificate", "must be a certificate as PEM") from None

    async def _replace(
        self,
        call: Call,
        files: Mapping[str, bytes],
        action: str,
        force: bool,
        others: Mapping[Any, bytes] | None = None,
        *,
        is_dry: bool,
    ) -> Replaced:
        """Check the files, and unless it is a dry run put them in place."""
        with _refusals():
            if is_dry:
                found = await self._commands.examine(files)
            else:
                found = await self._commands.replace(files, action, call.actor, others=others, force=force)
        answer = Replaced(warnings=list(found.warnings), refused_stations=list(found.refused_stations))
        if is_dry:
            answer.dry_run = True
        return answer


@contextmanager
def _refusals() -> Iterator[None]:
    """Return the answer for errors in certificates.

    :raises ApiError: 422, 404 or 503
    """
    try:
        yield
    except CertificateError as error:
        raise ApiError(422, "invalid", str(error)) from error
    except FileNotFoundError:
        raise not_found("there is no such file") from None
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise ApiError(
            503, "unavailable", f"certificates cannot be written: {place}{error.strerror}"
        ) from error


def _uploaded(kind: str, upload: Upload) -> dict[str, bytes]:
    """Return the files of an upload; the certificate of ``ca`` is the authority's.

    A key in the file of a certificate goes to the file of the key, unless that came, too.
    """
    names = UPLOADS[kind]
    for name in ("ca", "ca_key"):
        if name not in names and getattr(upload, name):
            raise invalid(name, f"is not part of an upload of {kind}, but of set")
    files, keys = {}, {}
    for name, file in names.items():
        text: str | None = getattr(upload, name)
        if text:
            certificates, key = split_pem(text.encode("utf-8", "replace"))
            if file in SECRET_FILES:
                files[file] = key
            else:
                files[file] = certificates
                if key:
                    keys[_KEY_OF[file]] = key
    if names["certificate"] not in files:
        raise invalid("certificate", "is missing")
    return keys | files
