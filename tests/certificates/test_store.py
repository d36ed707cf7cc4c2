"""PEM files and archives as somebody sends them, also such as nobody should."""

from __future__ import annotations

import io
import random
import time
import zipfile

import pytest

from bssci.certificates.reading import CertificateError
from bssci.certificates.store import MAX_ARCHIVE, _members, split_pem

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
def test_what_never_ends_is_read_once(piece: bytes) -> None:
    data = piece * (MAX_ARCHIVE // len(piece))
    began = time.process_time()
    assert split_pem(data) == (b"", b"")
    assert time.process_time() - began < 5


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
