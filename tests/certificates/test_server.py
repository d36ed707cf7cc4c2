from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from twisted.internet.defer import maybeDeferred
from twisted.internet.task import Clock

from bssci.certificates import bundles
from bssci.certificates.handshakes import meet
from bssci.certificates.reading import CertificateError, read_certificates
from bssci.certificates.server import CHECK_INTERVAL, PATIENCE, ServerTLS, StationFiles, WebFiles

NOW = datetime.now(UTC)


def make(directory: Path) -> WebFiles:
    """New files of an authority and a server, in place of those that may be there."""
    for path in directory.glob("*.pem"):
        path.unlink()
    ca, certificate, key = (directory / f"{name}.pem" for name in ("ca", "server", "server_key"))
    list(bundles.make_authority(ca, NOW))
    list(bundles.make_server(ca, certificate, key, [], NOW))
    return WebFiles(certificate, key)


@pytest.fixture
def started(tmp_path: Path) -> Callable[[], tuple[Clock, ServerTLS]]:
    def start() -> tuple[Clock, ServerTLS]:
        clock = Clock()
        tls = ServerTLS(clock, make(tmp_path), maybeDeferred)
        tls.start()
        return clock, tls

    return start


def serves(tls: ServerTLS, directory: Path) -> bool:
    """Return whether a client that trusts the present authority is content."""
    meeting = meet(tls._context, read_certificates(directory / "ca.pem", ""))
    return meeting.refused == "" and meeting.faults == []


def test_changed_files_are_in_force_soon(
    started: Callable[[], tuple[Clock, ServerTLS]], tmp_path: Path
) -> None:
    clock, tls = started()
    assert serves(tls, tmp_path)
    make(tmp_path)
    assert not serves(tls, tmp_path)
    clock.advance(CHECK_INTERVAL)
    assert serves(tls, tmp_path)
    tls.stop()
    assert not clock.getDelayedCalls()


def test_files_that_do_not_fit_leave_the_old_ones_in_force(
    started: Callable[[], tuple[Clock, ServerTLS]], tmp_path: Path
) -> None:
    clock, tls = started()
    (tmp_path / "server_key.pem").write_text("nonsense")
    clock.advance(CHECK_INTERVAL)
    assert serves(tls, tmp_path)
    tls.stop()


def test_files_that_stay_unfit_are_trouble_until_they_fit(
    started: Callable[[], tuple[Clock, ServerTLS]], tmp_path: Path
) -> None:
    clock, tls = started()
    (tmp_path / "server_key.pem").write_text("nonsense")
    clock.advance(CHECK_INTERVAL)
    assert tls.trouble == ""
    clock.advance(PATIENCE / 2)
    tls.reload()
    clock.advance(PATIENCE / 2)
    assert "server_key.pem" in tls.trouble
    make(tmp_path)
    clock.advance(CHECK_INTERVAL)
    assert tls.trouble == "" and serves(tls, tmp_path)
    tls.stop()


def test_files_that_are_missing_refuse_the_start_and_are_named_once(tmp_path: Path) -> None:
    with pytest.raises(CertificateError) as refused:
        ServerTLS(Clock(), WebFiles(tmp_path / "server.pem", tmp_path / "key.pem"), maybeDeferred)
    assert str(refused.value).count("server.pem: ") == 1


@pytest.mark.parametrize(("given", "expected"), [(None, "crl.pem"), (Path("own.pem"), "own.pem")])
def test_the_revocation_list_stands_beside_the_authorities_unless_it_is_named(
    tmp_path: Path, given: Path | None, expected: str
) -> None:
    files = StationFiles(tmp_path / "c.pem", tmp_path / "k.pem", tmp_path / "ca.pem", given)
    assert expected in {path.name for path in files.paths}
