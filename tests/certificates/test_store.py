"""PEM files and archives as somebody sends them, also such as nobody should."""

from __future__ import annotations

import io
import os
import random
import re
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

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
from bssci.model import EUI

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


def test_a_revocation_list_that_cannot_be_read_is_a_problem(store: CertificateStore, tmp_path: Path) -> None:
    paths, lists = store.paths, tmp_path / "lists.pem"
    lists.write_text("no list")
    files = CertificateFiles(
        tmp_path / "data", paths["server"], paths["server_key"], paths["ca"], revocations=lists
    )
    errors, _ = CertificateStore(files).problems()
    assert [str(lists) in each for each in errors] == [True]
    with pytest.raises(CertificateError, match="CRL_FILE|lists"):
        CertificateStore(files).check({})


def test_certificates_are_warned_of_as_early_as_is_said(store: CertificateStore, tmp_path: Path) -> None:
    paths = store.paths
    assert store.problems() == ([], []) and store.check({}) == []
    files = CertificateFiles(
        tmp_path / "data", paths["server"], paths["server_key"], paths["ca"], soon=timedelta(days=2000)
    )
    _, [warning] = CertificateStore(files).problems()
    assert "cert.pem: expires on" in warning
    assert [" expires on " in each for each in CertificateStore(files).check({})] == [True]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"server": b"rubbish"}, "server.pem: holds no PEM certificate; upload one that does"),
        ({"server_key": b"rubbish"}, "server_key.pem: holds no PEM private key; upload one that does"),
        (
            {"server_key": key_to_pem(issuing.new_key())},
            "server_key.pem: is not the key of server.pem; upload a certificate and its own key together",
        ),
        (
            {"ca": certificate_to_pem(issuing.create_authority(issuing.new_key(), datetime.now(UTC)))},
            "; append the certificate of each authority in between, or upload certificate, key and authority"
            " together",
        ),
        (
            {"ca_key": key_to_pem(issuing.new_key())},
            "ca_key.pem: is not the key of ca.pem; upload an authority and its own key together, or the"
            " authority alone",
        ),
    ],
)
def test_a_refused_upload_advises_what_to_upload(
    store: CertificateStore, files: dict[str, bytes], message: str
) -> None:
    with pytest.raises(CertificateError) as refused:
        store.check(files)
    assert str(refused.value).endswith(message)


def test_an_authority_whose_stations_would_not_get_in_is_not_put_in_place(store: CertificateStore) -> None:
    """The service center itself would be taken: only a base station's handshake shows it."""
    weak = rsa.generate_private_key(65537, 1024)
    authority = certificate_to_pem(issuing.create_authority(weak, datetime.now(UTC)))
    before = store.paths[CA].read_bytes()
    with pytest.raises(CertificateError, match="whose certificate it signed, could not connect"):
        store.replace({CA: before + authority, CA_KEY: key_to_pem(weak)})
    assert store.paths[CA].read_bytes() == before
    assert list(store.paths[CA].parent.parent.joinpath("data").iterdir()) == []


def test_a_station_of_an_authority_in_between_is_refused_when_the_one_above_goes(
    store: CertificateStore,
) -> None:
    root, between, station = issuing.new_key(), issuing.new_key(), issuing.new_key()
    now = datetime.now(UTC)
    above = issuing.Authority(issuing.create_authority(root, now), root)
    signer = issuing.Authority(issuing.create_authority(between, now), between)
    # Names and signatures of what a handshake has accepted are not examined again.
    shown = issuing.issue_station(station, signer, None, now)
    chain = [each.public_bytes(Encoding.DER) for each in (shown, signer.certificate, above.certificate)]
    other = store.paths[CA].read_bytes()
    kept = certificate_to_pem(above.certificate)
    assert store.refused_stations(other + kept, {"CAFE000000000001": chain}) == []
    assert store.refused_stations(other, {"CAFE000000000001": chain}) == ["CAFE000000000001"]


def test_an_authority_given_many_times_is_tried_once(
    store: CertificateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[object] = []
    monkeypatch.setattr("bssci.certificates.store.refuse_station", lambda *all: tried.append(all))
    assert store.check({CA: store.read(CA) * 20}) == []
    assert len(tried) == 1


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


_creations: list[list[tuple[str, int]]] = []
"""where files that are created are noted, with the mode that they ask for; empty while nobody looks"""


def _note_creation(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _creations and isinstance(arguments[0], (str, bytes)):
        path, mode, flags = os.fsdecode(arguments[0]), arguments[1], arguments[2]
        # ``open`` itself gives a new file 0666; of ``os.open`` the mode is seen by who calls it.
        if mode is not None and flags & os.O_CREAT and not os.path.exists(path):
            _creations[-1].append((path, 0o666))


sys.addaudithook(_note_creation)


@pytest.fixture
def created(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, int]]]:
    """The files that are created, each with the mode of its first moment, by a process with umask 022."""
    system_open = os.open

    def noted_open(path: Any, flags: int, mode: int = 0o777, **options: Any) -> int:
        if flags & os.O_CREAT:
            _creations[-1].append((os.fsdecode(path), mode))
        return system_open(path, flags, mode, **options)

    monkeypatch.setattr("os.open", noted_open)
    before = os.umask(0o022)
    _creations.append([])
    yield _creations[-1]
    _creations.pop()
    os.umask(before)


def test_keys_are_for_their_owner_only_from_the_first_byte(
    store: CertificateStore, tmp_path: Path, created: list[tuple[str, int]]
) -> None:
    (tmp_path / "noticed").touch()
    assert created.pop() == (str(tmp_path / "noticed"), 0o666)
    now = datetime.now(UTC)
    list(bundles.make_authority(tmp_path / "new" / "ca.pem", now))
    list(bundles.make_server(tmp_path / "new" / "ca.pem", tmp_path / "a", tmp_path / "b", [], now))
    for authority in (False, True):
        store.replace(store.generate(authority, ["sc.example"]))
    store.station_bundle(EUI("CAFE000000000001"), renew=True)
    store.replace(*store.unpack(store.backup()))
    assert len(created) > 20
    assert [(path, oct(mode)) for path, mode in created if mode & 0o077] == []
    keys = [path for path in tmp_path.rglob("*key*.pem") if path.is_file()]
    assert len(keys) >= 4
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}


def test_room_is_held_where_drafts_and_files_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("data", "certs"):
        (tmp_path / name).mkdir()
    files = (tmp_path / "certs" / name for name in ("own.pem", "key.pem", "ca.pem"))
    store = CertificateStore(CertificateFiles(tmp_path / "data", *files))
    (tmp_path / "certs" / reading.OWN_LIST).write_bytes(bytes(200_000))
    held: list[tuple[Path, int]] = []

    def hold(path: Path, size: int) -> io.BytesIO:
        held.append((path.parent, size))
        return io.BytesIO()

    monkeypatch.setattr("bssci.certificates.store.hold_room", hold)
    with store.room(1000):
        assert set(held) == {(tmp_path / "data", 201_000), (tmp_path / "certs", 201_000)}
