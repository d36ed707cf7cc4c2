"""Certificates."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bssci.web.api.schemas.common import Answer, DryRun
from bssci.web.http.reading import TypedEui, wording
from bssci.web.http.replies import Done

MAX_HOSTS = 50
MAX_PEM = 256 * 1024
"""characters of a PEM file, at most"""
_HOSTS = wording(f"a list of at most {MAX_HOSTS} names and addresses")
Force = Annotated[bool, Meta(description="although connected base stations would be refused")]
Pem = Annotated[str, Meta(max_length=MAX_PEM)]


class OneCertificate(Answer):
    """A certificate of this installation."""

    file: str
    name: str
    path: str
    subject: str
    issuer: str
    names: list[str]
    fingerprint: str
    not_before: float
    not_after: float
    days_left: int


class RevokedCertificate(Answer):
    """A certificate that the service itself has revoked."""

    serial: str
    """serial number in hexadecimal digits"""
    at: float
    subject: str | None
    """subject, if the certificate is one of a bundle made here"""


class Revoke(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A certificate to revoke: as PEM, or the one of a base station."""

    certificate: Pem | None = None
    eui: TypedEui | None = None


class RevokedNow(Done):
    """A certificate is revoked."""

    subject: str
    serial: str
    cut_off: int
    """base stations that were connected with it"""


class CertificateList(Answer):
    """Every certificate; errors would keep the service from starting."""

    certificates: list[OneCertificate]
    errors: list[str]
    warnings: list[str]
    can_issue: bool
    revoked: list[RevokedCertificate]
    """certificates that the service itself has revoked, the last one first"""


class Restoring(DryRun):
    """Options for putting back a backup."""

    force: Annotated[bool, Meta(description="1: although connected base stations would be refused")] = False


class Upload(msgspec.Struct, kw_only=True):
    """Certificates and keys as PEM."""

    certificate: Pem | None = None
    key: Pem | None = None
    ca: Pem | None = None
    ca_key: Pem | None = None
    force: Force = False


class Generate(msgspec.Struct, kw_only=True):
    """Options for making certificates: one of the service center, or also a new authority."""

    what: Literal["server", "all"] = "server"
    hosts: Annotated[
        list[Annotated[str, Meta(max_length=253)]],
        Meta(max_length=MAX_HOSTS, extra=_HOSTS),
    ] = []
    force: Force = False


class Replaced(Done):
    """Consequences of replaced certificates, or of a dry run that would replace them."""

    warnings: list[str]
    refused_stations: list[str]
    dry_run: bool | msgspec.UnsetType = msgspec.UNSET


class BundleOptions(msgspec.Struct, kw_only=True):
    """Options for making a base station's bundle."""

    renew: Annotated[bool, Meta(description="also if there is one")] = False
    host: Annotated[str, Meta(max_length=253, description="name or address by which it reaches us")] = ""
