"""PEM files and archives as somebody sends them, also such as nobody should."""

from __future__ import annotations

import io
import random
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from bssci.certificates import bundles, issuing, reading
from bssci.certificates.issuing import certificate_to_pem, key_to_pem
from bssci.certificates.reading import CertificateError
from bssci.certificates.store import (
    CA,
    CA_KEY,
    CertificateFiles,
    CertificateStore,
    _members,
    split_pem,
)

CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
KEY = b"-----BEGIN EC PRIVATE KEY-----\nBBBB\n-----END EC PRIVATE KEY-----"


def test_certificates_and_keys_are_told_apart() -> None:
    parameters = b"-----BEGIN EC PARAMETERS-----\nCCCC\n-----END EC PARAMETERS-----"
    data = b"\n".join([b"a bag attribute", CERTIFICATE, parameters, KEY, CERTIFICATE, b"the end"])
    assert split_pem(data) == (CERTIFICATE + b"\n" + CERTIFICATE + b"\n", KEY + b"\n")


def test_a_part_without_its_end_is_left_out() -> None:
    assert split_pem(b"-----BEGIN CERTIFICATE-----\nAAAA\n" + KEY) == (b"", KEY + b"\n")
    assert split_pem(CERTIFICATE[:-1] + b"\n" + CERTIFICATE) == (CERTIFICATE + b"\n", b"")
    assert split_pem(b"") == (b"", b"")


@pytest.mark.parametrize(
    "piece",
    [b"-----BEGIN A-----", b"-----BEGIN ", b"-----BEGIN A-----END A", b"-----BEGIN" + b" A" * 19, b"-"],
)
def test_what_never_ends_is_read_once(piece: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    data = piece * (100_000 // len(piece))
    passes: list[bytes] = []
    boundary = reading._BOUNDARY

    def finditer(data: bytes) -> Iterator[re.Match[bytes]]:
        passes.append(data)
        return boundary.finditer(data)

    # A pattern that reaches only so far, in one pass, whatever stands between its matches.
    monkeypatch.setattr(reading, "_BOUNDARY", SimpleNamespace(finditer=finditer))
    assert split_pem(data) == (b"", b"")
    assert passes == [data]
    assert boundary.match(b"-----BEGIN " + b"A" * 41 + b"-----") is None


def test_a_damaged_archive_is_the_sender_s_fault() -> None:
    packed = io.BytesIO()
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        with zipfile.ZipFile(packed, "a", method) as archive:
            archive.writestr(f"{method}.pem", CERTIFICATE * 5)
    whole, drawn, damaged = packed.getvalue(), random.Random(1), 0
    for _ in range(2000):
        data = bytearray(whole)
        for _ in range(drawn.randint(1, 4)):
            data[drawn.randrange(len(data))] = drawn.randrange(256)
        try:
            list(_members(bytes(data[: drawn.choice([len(data), drawn.randrange(len(data))])])))
        except CertificateError:
            damaged += 1
    assert damaged > 500


@pytest.fixture
def store(tmp_path: Path) -> CertificateStore:
    """Of an installation with an authority of its own and one bundle."""
    certs, state = tmp_path / "certs", tmp_path / "data"
    state.mkdir()
    files = CertificateFiles(state, certs / "cert.pem", certs / "key.pem", certs / "ca.pem")
    now = datetime.now(UTC)
    list(bundles.make_authority(files.authorities, now))
    list(bundles.make_server(files.authorities, files.certificate, files.key, [], now))
    list(bundles.make_station(files.authorities, certs / "stations", None, now))
    return CertificateStore(files)


def test_an_authority_whose_stations_would_not_get_in_is_not_put_in_place(store: CertificateStore) -> None:
    """The service center itself would be taken: only a base station's handshake shows it."""
    weak = rsa.generate_private_key(65537, 1024)
    authority = certificate_to_pem(issuing.create_authority(weak, datetime.now(UTC)))
    before = store.paths[CA].read_bytes()
    with pytest.raises(CertificateError, match="whose certificate it signed, would not get in"):
        store.replace({CA: before + authority, CA_KEY: key_to_pem(weak)})
    assert store.paths[CA].read_bytes() == before
    assert list(store.paths[CA].parent.parent.joinpath("data").iterdir()) == []


def test_without_the_authority_s_key_a_bundle_is_tried(
    store: CertificateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[object] = []
    monkeypatch.setattr(
        "bssci.certificates.store.refuse_station", lambda server, identity, file: tried.append(identity[0])
    )
    store.paths[CA_KEY].unlink()
    store.check({CA: store.paths[CA].read_bytes()})
    [certificate] = tried
    assert certificate_to_pem(certificate) == (store.stations / "base-station/station_cert.pem").read_bytes()
