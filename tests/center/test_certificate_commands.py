"""Changes of certificates and their entries in the audit log; more is in ``tests/web/api``."""

from __future__ import annotations

import errno
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import maybeDeferred

from bssci.center import certificate_commands
from bssci.center.audit import AuditLog
from bssci.center.certificate_commands import CertificateCommands
from bssci.certificates.reading import CertificateError
from bssci.certificates.store import CA, SERVER_KEY
from bssci.journal import AuditEntry, StorageError
from bssci.model import EUI
from bssci.model.commands import Actor, CommandError

ANN = Actor("ann", "web", "::1")
STATION = EUI("CAFE000000000001")


class Parts:
    """An audit log whose disk may be full, a store that may refuse, and a connected station."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.full = self.wrong = self.crowded = False
        self.sizes: list[int] = []
        self.refused = [STATION]
        itself: Any = self
        self.audit = self.catalogue = self.current = itself
        monkeypatch.setattr(certificate_commands, "CertificateStore", lambda files: itself)
        self.commands = CertificateCommands(
            AuditLog(itself, lambda: 5.0), itself, itself, itself, maybeDeferred, self.take, lambda: [16018]
        )

    async def append(self, entry: AuditEntry) -> None:
        if self.full:
            raise StorageError("disk full")
        self.done.append(f"{entry.who} {entry.action} {entry.target} {entry.detail}".strip())

    async def take(self) -> None:
        self.done.append("taken")

    # the settings and the stations

    def certificate_files(self, settings: Any) -> Any:
        return settings

    def connected(self) -> list[Any]:
        return [SimpleNamespace(eui=STATION, link=SimpleNamespace(certificate=b"der", signers=[b"signer"]))]

    def get(self, eui: EUI) -> Any:
        return SimpleNamespace(record=SimpleNamespace(certificate=b"der"))

    def revoked(self, certificate: bytes) -> int:
        self.done.append("cut off")
        return 1

    # the store

    def room(self, size: int) -> BytesIO:
        if self.crowded:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.sizes.append(size)
        return BytesIO()

    def check(self, files: Any) -> list[str]:
        return ["ends soon"]

    def refused_stations(self, ca: bytes, peers: dict[str, list[bytes]]) -> list[str]:
        assert peers == {STATION: [b"der", b"signer"]}
        return list(self.refused)

    def replace(self, files: Any, others: Any) -> None:
        if self.wrong:
            raise CertificateError("no pair")
        self.done.append(f"replaced {sorted(files)} {others}")

    def read(self, file: str) -> bytes:
        return file.encode()

    def backup(self) -> bytes:
        return b"zip"

    def station_bundle(self, *values: Any) -> bytes:
        self.done.append(f"bundle {values}")
        return b"bundle"

    def revoke(self, certificate: Any) -> None:
        self.done.append("revoked")


@pytest.fixture
def it(monkeypatch: pytest.MonkeyPatch) -> Parts:
    return Parts(monkeypatch)


async def test_files_are_replaced_after_the_entry_and_used(it: Parts) -> None:
    examined = await it.commands.replace({SERVER_KEY: b""}, "upload server", ANN, others={Path("a"): b""})
    assert (examined.warnings, examined.refused_stations) == (["ends soon"], [])
    assert it.done[0] == "ann certificate.upload  server"
    assert it.done[1].startswith("replaced ['server_key']") and it.done[2:] == ["taken"]


async def test_stations_that_could_not_come_back_are_not_refused_by_accident(it: Parts) -> None:
    with pytest.raises(CommandError, match=f"1 connected base station would be refused: {STATION}") as raised:
        await it.commands.replace({CA: b""}, "restore", ANN)
    assert (raised.value.code, raised.value.field, it.done) == ("conflict", "force", [])
    assert (await it.commands.examine({CA: b""})).refused_stations == [STATION]
    await it.commands.replace({CA: b""}, "restore", ANN, force=True)
    assert it.done[0] == "ann certificate.restore" and it.done[-1] == "taken"


async def test_a_change_that_fails_says_so(it: Parts) -> None:
    it.wrong = True
    with pytest.raises(CertificateError):
        await it.commands.replace({}, "generate all", ANN)
    assert it.done == ["ann certificate.generate  all", "ann certificate.generate.failed  no pair"]


async def test_a_look_at_a_key_is_noted_and_no_other(it: Parts) -> None:
    assert await it.commands.read(CA, ANN) == b"ca"
    assert it.done == []
    assert await it.commands.read(SERVER_KEY, ANN) == b"server_key"
    assert await it.commands.backup(ANN) == b"zip"
    assert it.done == ["ann certificate.download_key server_key", "ann certificate.backup"]


async def test_a_bundle_names_the_ports_of_base_stations(it: Parts) -> None:
    await it.commands.station_bundle(STATION, "sc.example", ANN, renew=True)
    assert it.done == [
        f"ann certificate.station_bundle {STATION} renewed",
        f"bundle {(STATION, True, 'sc.example', [16018])}",
    ]


CERTIFICATE: Any = SimpleNamespace(
    subject=SimpleNamespace(rfc4514_string=lambda: "CN=x"),
    serial_number=255,
    public_bytes=lambda _: b"der",
)


async def test_a_revoked_certificate_is_refused_then_cut_off(it: Parts) -> None:
    revoked = await it.commands.revoke(CERTIFICATE, ANN)
    assert (revoked.subject, revoked.serial, revoked.cut_off) == ("CN=x", "FF", 1)
    assert it.done == ["ann certificate.revoke CN=x serial FF", "revoked", "taken", "cut off"]
    with pytest.raises(CertificateError, match="cannot be read"):
        await it.commands.certificate_of(STATION)


async def test_what_cannot_be_noted_does_not_happen(it: Parts) -> None:
    it.full = True
    for command in (
        it.commands.read(SERVER_KEY, ANN),
        it.commands.backup(ANN),
        it.commands.replace({}, "restore", ANN),
        it.commands.station_bundle(STATION, "", ANN),
    ):
        with pytest.raises(StorageError):
            await command
    assert it.done == []


async def test_what_has_no_room_on_the_disk_is_not_noted(it: Parts) -> None:
    it.crowded, it.refused = True, []
    files = {CA: b"1234"}
    for command in (
        it.commands.replace(files, "restore", ANN, others={Path("a"): b"56"}),
        it.commands.station_bundle(STATION, "", ANN),
        it.commands.revoke(CERTIFICATE, ANN),
    ):
        with pytest.raises(OSError, match="No space left"):
            await command
    assert it.done == []
    it.crowded = False
    await it.commands.replace(files, "restore", ANN, others={Path("a"): b"56"})
    assert it.sizes == [6]
