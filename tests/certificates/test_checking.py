"""Trials of certificate files: what OpenSSL would not serve, and what base stations would not take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from bssci.certificates import issuing
from bssci.certificates import reading as certificates
from bssci.certificates.checking import check_pair, examine, refuse_station
from bssci.certificates.contexts import station_context
from bssci.certificates.handshakes import meet
from bssci.certificates.issuing import Authority, certificate_to_pem, key_to_pem
from bssci.certificates.reading import CertificateError, PrivateKey, pem_blocks, read_revoked
from bssci.certificates.server import StationFiles

NOW = datetime.now(UTC)


def authority(
    name: str,
    above: Authority | None = None,
    end: datetime = NOW + timedelta(900),
    key: PrivateKey | None = None,
) -> Authority:
    """A root, or an authority below another one."""
    key = key or issuing.new_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signer = (above.certificate.subject, above.key) if above else (subject, key)
    begin = NOW - timedelta(1000)
    builder = x509.CertificateBuilder(
        issuer, subject, key.public_key(), x509.random_serial_number(), begin, end
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    name_of_key = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = builder.add_extension(name_of_key, critical=False)
    return Authority(builder.sign(signer, hashes.SHA256()), key)


class Files:
    """CERT_FILE, KEY_FILE and CA_FILE, and what is said of them."""

    def __init__(self, directory: Path) -> None:
        self.cert, self.key, self.ca = (directory / name for name in ("cert.pem", "key.pem", "ca.pem"))
        self.crl = directory / "crl.pem"

    def write(self, key: Any, chain: Sequence[x509.Certificate], authorities: Sequence[Authority]) -> Files:
        self.key.touch(mode=0o600)
        self.key.write_bytes(key_to_pem(key))
        self.cert.write_bytes(b"".join(map(certificate_to_pem, chain)))
        self.ca.write_bytes(b"".join(certificate_to_pem(each.certificate) for each in authorities))
        return self

    def serve(
        self, signer: Authority, *between: x509.Certificate, trusted: Sequence[Authority], key: Any = None
    ) -> Files:
        """A service center's certificate of ``signer`` in front of ``between``."""
        key = key or issuing.new_key()
        own = issuing.issue_server(key, signer, [], NOW)
        return self.write(key, [own, *between], trusted)

    def check(self) -> list[str]:
        return check_pair(self.cert, self.key, self.ca, NOW)

    def refusal(self) -> str:
        with pytest.raises(CertificateError) as caught:
            self.check()
        assert "\n" not in str(caught.value)
        return str(caught.value)


class Ladder(NamedTuple):
    """A root, an authority below it, and one below that."""

    root: Authority
    middle: Authority
    low: Authority


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture(scope="module")
def ladder() -> Ladder:
    root = authority("root")
    middle = authority("middle", root)
    return Ladder(root, middle, authority("low", middle))


def test_a_good_chain_has_no_warnings(files: Files, ladder: Ladder) -> None:
    files.serve(ladder.low, ladder.low.certificate, ladder.middle.certificate, trusted=[ladder.root])
    assert files.check() == []


def test_a_key_that_openssl_does_not_serve_with_is_refused(files: Files, ladder: Ladder) -> None:
    files.serve(ladder.root, trusted=[ladder.root], key=rsa.generate_private_key(65537, 1024))
    assert files.refusal() == (
        f"{files.cert}: OpenSSL refuses it (ee key too small; its key is RSA 1024);"
        " use a key on P-256 or RSA of 2048 bits or more"
    )


def test_a_key_that_no_base_station_knows_is_refused(files: Files, ladder: Ladder) -> None:
    files.serve(ladder.root, trusted=[ladder.root], key=ec.generate_private_key(ec.BrainpoolP256R1()))
    assert "its key is brainpoolP256r1" in files.refusal()


def test_an_expired_intermediate_is_named(files: Files, ladder: Ladder) -> None:
    old = authority("old", ladder.root, end=NOW - timedelta(days=3))
    key = issuing.new_key()
    template = issuing.issue_server(key, ladder.root, [], NOW)
    builder = x509.CertificateBuilder(
        old.certificate.subject,
        template.subject,
        key.public_key(),
        7,
        NOW - timedelta(9),
        NOW + timedelta(90),
    )
    files.write(key, [builder.sign(old.key, hashes.SHA256()), old.certificate], [ladder.root])
    day = f"{NOW - timedelta(days=3):%Y-%m-%d}"
    assert files.refusal() == (
        f"{files.cert}: expired on {day} (CN=old);"
        " get the current certificate of CN=old from its owner, and replace this one"
    )


def test_an_expired_certificate_is_a_fault_of_the_time_only(files: Files, ladder: Ladder) -> None:
    files.serve(ladder.root, trusted=[ladder.root])
    assert examine(files.cert, files.key, files.ca, NOW + timedelta(days=899)).faults == ()
    for fault in examine(files.cert, files.key, files.ca, NOW + timedelta(days=902)).faults:
        assert "expired on" in str(fault) and fault.uploaded.endswith("; upload one that is valid")
    [fault] = examine(files.cert, files.key, files.ca, NOW - timedelta(days=5)).faults
    assert "is valid only from" in str(fault)


def test_one_expired_authority_beside_a_good_one_is_a_warning(files: Files, ladder: Ladder) -> None:
    old = authority("old", end=NOW - timedelta(days=3))
    files.serve(ladder.root, trusted=[old, ladder.root])
    [warning] = files.check()
    assert "the authority CN=old is not valid now" in warning


def test_only_expired_authorities_are_a_fault(files: Files, ladder: Ladder) -> None:
    old = authority("old", end=NOW - timedelta(days=3))
    files.serve(ladder.root, trusted=[old])
    key = certificates.read_key(files.key, "")
    own = issuing.issue_server(key, old, [], NOW - timedelta(days=9))
    files.write(key, [own], [old])
    assert "expired on" in files.refusal()


def test_an_authority_without_its_root_is_enough_and_is_warned_about(files: Files, ladder: Ladder) -> None:
    files.serve(ladder.low, trusted=[ladder.low])
    [warning] = files.check()
    assert warning.startswith(f"{files.ca}: holds no root")
    key = issuing.new_key()
    chain = [issuing.issue_server(key, ladder.low, [], NOW)]
    station_key = issuing.new_key()
    station = issuing.issue_station(station_key, ladder.low, None, NOW)
    refuse_station((chain, key, [ladder.low.certificate]), (station, station_key), files.ca)


def test_a_shuffled_chain_is_named(files: Files, ladder: Ladder) -> None:
    files.serve(ladder.low, ladder.middle.certificate, ladder.low.certificate, trusted=[ladder.root])
    assert files.refusal() == (
        f"{files.cert}: certificate 2 (CN=middle) did not sign certificate 1 (CN=BSSCI service center);"
        " put each certificate before the one that signed it, the service center's own first"
    )


def test_a_chain_whose_own_certificate_is_not_first_is_named(files: Files, ladder: Ladder) -> None:
    key = issuing.new_key()
    own = issuing.issue_server(key, ladder.low, [], NOW)
    files.write(key, [ladder.low.certificate, ladder.middle.certificate, own], [ladder.root])
    assert "number 3 (CN=BSSCI service center) belongs to" in files.refusal()
    assert "must come first" in files.refusal()


def test_a_doubled_certificate_is_named(files: Files, ladder: Ladder) -> None:
    low = ladder.low.certificate
    files.serve(ladder.low, low, low, ladder.middle.certificate, trusted=[ladder.root])
    assert files.refusal() == f"{files.cert}: certificate 3 (CN=low) appears twice; remove one of them"


def test_a_stranger_in_the_chain_is_named(files: Files, ladder: Ladder) -> None:
    files.serve(ladder.root, ladder.low.certificate, trusted=[ladder.root])
    assert "certificate 2 (CN=low) did not sign certificate 1" in files.refusal()
    assert "leave only those between" in files.refusal()


def test_a_chain_that_gateways_cannot_keep_is_refused(files: Files, ladder: Ladder) -> None:
    key = issuing.new_key()
    names = [f"{number:04d}.{'long' * 12}.example.org" for number in range(600)]
    files.write(key, [issuing.issue_server(key, ladder.root, names, NOW)], [ladder.root])
    assert "bytes, but base stations accept 32768; leave only" in files.refusal()


def signed_with_sha1(certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> x509.Certificate:
    """The same certificate as an old authority would have signed it; the library makes none itself."""
    sha256, sha1 = (bytes.fromhex(f"2a864886f70d0101{last}") for last in ("0b", "05"))
    to_sign = certificate.tbs_certificate_bytes.replace(sha256, sha1)
    der = certificate.public_bytes(Encoding.DER).replace(sha256, sha1)
    signature = key.sign(to_sign, padding.PKCS1v15(), hashes.SHA1())
    return x509.load_der_x509_certificate(der.replace(certificate.signature, signature))


def test_sha1_is_named(files: Files) -> None:
    root = authority("root", key=rsa.generate_private_key(65537, 2048))
    key = issuing.new_key()
    assert isinstance(root.key, rsa.RSAPrivateKey)
    own = signed_with_sha1(issuing.issue_server(key, root, [], NOW), root.key)
    files.write(key, [own], [root])
    assert (
        "is signed with SHA1, which no TLS library accepts any more; have CN=root sign it" in files.refusal()
    )


# who is let in


def revocations(signer: Authority, *revoked: x509.Certificate, end: datetime = NOW + timedelta(9)) -> bytes:
    builder = x509.CertificateRevocationListBuilder()
    builder = builder.issuer_name(signer.certificate.subject)
    builder = builder.last_update(NOW - timedelta(99)).next_update(end)
    for each in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(each.serial_number)
        builder = builder.add_revoked_certificate(entry.revocation_date(NOW - timedelta(1)).build())
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.PEM)


class Gate:
    """A service center, and stations of two authorities before it."""

    def __init__(self, first: Authority, second: Authority) -> None:
        self.authorities = [first.certificate, second.certificate]
        self.key = issuing.new_key()
        self.chain = [issuing.issue_server(self.key, first, [], NOW)]
        self.stations = []
        for signer in (first, first, second):
            key = issuing.new_key()
            self.stations.append((issuing.issue_station(key, signer, None, NOW), key))

    def let_in(self, revoked: Sequence[x509.CertificateRevocationList] = ()) -> list[bool]:
        context = station_context(self.chain, self.key, self.authorities, revoked)
        return [not meet(context, self.authorities, identity=each).refused for each in self.stations]


def issue_again(certificate: x509.Certificate, signer: Authority) -> x509.Certificate:
    """A certificate with the names, key and serial number of another one."""
    builder = x509.CertificateBuilder(
        certificate.issuer,
        certificate.subject,
        certificate.public_key(),
        certificate.serial_number,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )
    signed_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key())
    return builder.add_extension(signed_by, critical=False).sign(signer.key, hashes.SHA256())


@pytest.fixture
def gate() -> Iterator[tuple[Gate, Authority, Authority]]:
    first, second = authority("first"), authority("second")
    yield Gate(first, second), first, second


def test_whom_a_list_names_stays_out_and_nobody_else(
    gate: tuple[Gate, Authority, Authority], files: Files
) -> None:
    before, first, second = gate
    assert before.let_in() == [True, True, True]
    files.crl.write_bytes(revocations(first, before.stations[0][0]))
    assert before.let_in(read_revoked(files.crl, before.authorities)) == [False, True, True]
    files.crl.write_bytes(
        revocations(first, before.stations[0][0]) + revocations(second, before.stations[2][0])
    )
    assert before.let_in(read_revoked(files.crl, before.authorities)) == [False, True, False]


def test_a_list_out_of_date_counts_and_is_warned_about(
    gate: tuple[Gate, Authority, Authority], files: Files
) -> None:
    before, first, _ = gate
    files.crl.write_bytes(revocations(first, before.stations[0][0], end=NOW - timedelta(3)))
    assert before.let_in(read_revoked(files.crl, before.authorities)) == [False, True, True]
    files.write(before.key, before.chain, [first])
    [warning] = files.check()
    assert warning.startswith(f"{files.crl}: the list of CN=first is out of date since")


def test_a_list_of_a_stranger_is_passed_over_and_warned_about(
    gate: tuple[Gate, Authority, Authority], files: Files
) -> None:
    before, first, second = gate
    files.crl.write_bytes(revocations(second))
    files.write(before.key, before.chain, [first])
    [warning] = files.check()
    assert warning.startswith(f"{files.crl}: the list of CN=second refuses nobody")


def test_a_list_is_about_the_key_that_signed_it_and_not_about_others_of_that_name(files: Files) -> None:
    old, new = authority("plant"), authority("plant")
    before = Gate(old, new)
    station, key = before.stations[0]
    namesake = issue_again(station, new)
    before.stations.append((namesake, key))
    for authorities in ([old, new], [new, old]):
        before.authorities = [each.certificate for each in authorities]
        files.crl.write_bytes(revocations(old, station))
        assert before.let_in(read_revoked(files.crl, before.authorities)) == [False, True, True, True]
        files.crl.write_bytes(revocations(old, station) + revocations(new))
        assert before.let_in(read_revoked(files.crl, before.authorities)) == [False, True, True, True]


def test_an_authority_that_the_one_above_it_revoked_lets_nobody_in(files: Files) -> None:
    root = authority("root")
    between = authority("between", above=root)
    before = Gate(root, between)
    files.crl.write_bytes(revocations(root, between.certificate))
    assert before.let_in(read_revoked(files.crl, before.authorities)) == [True, True, False]


def test_a_list_that_its_authority_has_not_signed_is_refused(
    gate: tuple[Gate, Authority, Authority], files: Files
) -> None:
    before, first, second = gate
    forged = Authority(first.certificate, second.key)
    files.crl.write_bytes(revocations(forged))
    files.write(before.key, before.chain, [first])
    assert "is not signed by that authority" in files.refusal()
    files.crl.write_bytes(b"nothing of the kind")
    assert "holds no revocation list" in files.refusal()


def test_the_list_of_another_authority_is_passed_over(
    gate: tuple[Gate, Authority, Authority], files: Files
) -> None:
    before, first, second = gate
    files.crl.write_bytes(revocations(second, before.stations[0][0]))
    assert read_revoked(files.crl, [first.certificate]) == []


def test_the_list_of_one_between_us_and_an_authority_counts(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = authority("root")
    between = authority("between", above=root)
    key = issuing.new_key()
    chain = [issuing.issue_server(key, between, [], NOW), between.certificate]
    files.crl.write_bytes(revocations(between, issuing.issue_station(key, between, None, NOW)))
    files.write(key, chain, [root])
    assert not files.check()
    monkeypatch.setattr("bssci.certificates.server.station_context", lambda *arguments: arguments)
    _, _, _, [counted] = StationFiles(files.cert, files.key, files.ca).load(NOW, at_start=True)
    assert counted.issuer == between.certificate.subject


def test_blocks_are_found_in_time_in_proportion_to_the_length() -> None:
    """A pattern over the whole text would take minutes for this."""
    assert list(pem_blocks(b"-----BEGIN A-----\n" * 200_000)) == []
    block = b"-----BEGIN A-----\nx\n-----END A-----\n"
    assert list(pem_blocks(b"text\n" + block * 2)) == [(b"A", block)] * 2
