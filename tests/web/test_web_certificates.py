"""Certificates by the API: checked before they are in place, replaced as a set."""

from __future__ import annotations

import contextlib
import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bssci import bundles, fileset
from bssci.certificates import CertificateError, check_pair, euis_of
from bssci.model import EUI
from tests.support.center import Line
from tests.support.html import Document
from tests.support.web import WebHouse

STATION = "70B3D59CD0000001"


def certs(web: WebHouse) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((web.directory / "certs").glob("*.pem"))}


def usable(web: WebHouse) -> None:
    directory = web.directory / "certs"
    check_pair(
        directory / "server.pem", directory / "server_key.pem", directory / "ca.pem", datetime.now(UTC)
    )


def other_set(directory: Path) -> dict[str, str]:
    """An authority and what it issued, of somebody else."""
    now = datetime.now(UTC)
    list(bundles.make_authority(directory / "ca.pem", now))
    server, key = directory / "server.pem", directory / "key.pem"
    list(bundles.make_server(directory / "ca.pem", server, key, [], now))
    return {
        "ca": (directory / "ca.pem").read_text(),
        "certificate": server.read_text(),
        "key": key.read_text(),
    }


def test_the_inventory(web: WebHouse) -> None:
    answer = web.browser("viewer").get("/api/certificates/status").json()
    assert [each["file"] for each in answer["certificates"]] == ["ca", "server"]
    server = answer["certificates"][1]
    assert server["issuer"] == "CN=BSSCI service center CA" and "localhost" in server["names"]
    assert len(server["fingerprint"]) == 64 and answer["errors"] == [] and answer["can_issue"]
    # The service's clock of the test is years behind that of the certificates.
    assert server["days_left"] > 1800


def other_files(web: WebHouse) -> dict[str, str]:
    """The settings of the web admin's own certificate, and of that for the broker: others than CERT_FILE."""
    now, certs = datetime.now(UTC), web.directory / "certs"
    made = {}
    for name in ("web", "mqtt"):
        certificate, key = certs / f"{name}.pem", certs / f"{name}_key.pem"
        list(bundles.make_server(certs / "ca.pem", certificate, key, [f"{name}.example"], now))
        made |= {f"{name}-tls": "true", f"{name}-cert-file": str(certificate), f"{name}-key-file": str(key)}
    return made


def test_certificates_that_are_used_elsewhere_are_in_the_inventory(web: WebHouse) -> None:
    options = other_files(web)
    web.options = options
    web.crash()
    viewer = web.browser("viewer")
    listed = viewer.get("/api/certificates/status").json()["certificates"]
    assert [(each["file"], each["name"]) for each in listed] == [
        ("ca", "Authority"),
        ("server", "Service center"),
        ("web", "Web admin"),
        ("mqtt", "MQTT client"),
    ]
    assert "web.example" in listed[2]["names"] and "mqtt.example" in listed[3]["names"]
    assert viewer.get("/api/certificates/download/web").body == certs(web)["web.pem"]
    page = Document(viewer.get("/certificates").text)
    assert "Web admin" in page.one("main").text
    for each in page.all("a"):
        if each["href"].startswith("/api/"):
            assert viewer.get(each["href"]).status == 200, each["href"]
    web.options = options | {"web-tls": "false", "sinks": "log"}
    web.crash()
    listed = web.browser("viewer").get("/api/certificates/status").json()["certificates"]
    assert [each["file"] for each in listed] == ["ca", "server"]
    assert web.browser("viewer").get("/api/certificates/download/web").status == 404


def test_a_key_in_the_file_of_a_certificate_is_not_downloaded_with_it(web: WebHouse) -> None:
    files = certs(web)
    (web.directory / "certs" / "server.pem").write_bytes(files["server_key.pem"] + files["server.pem"])
    assert web.browser("viewer").get("/api/certificates/download/server").body == files["server.pem"]
    assert b"PRIVATE KEY" in web.browser("admin").get("/api/certificates/download/server_key").body


def test_private_keys_are_for_administrators_and_written_down(web: WebHouse) -> None:
    viewer, admin = web.browser("viewer"), web.browser("admin")
    for name in ("ca", "ca.pem", "server", "server.pem"):
        assert b"BEGIN CERTIFICATE" in viewer.get(f"/api/certificates/download/{name}").body
    assert viewer.get("/api/certificates/download/server_key.pem").status == 403
    for file in ("server_key", "ca_key"):
        assert viewer.get(f"/api/certificates/download/{file}").status == 403
        assert b"PRIVATE KEY" in admin.get(f"/api/certificates/download/{file}").body
        assert ("admin", "certificate.download_key", file) in web.audit()
    assert admin.get("/api/certificates/download/..%2f..%2fdata%2faccounts.json").status == 404


def test_a_server_certificate_is_generated_and_fits(web: WebHouse) -> None:
    before = certs(web)
    answer = web.browser("admin").post("/api/certificates/generate", {"hosts": ["sc.example", "192.0.2.1"]})
    assert answer.status == 200, answer.body
    usable(web)
    after = certs(web)
    assert after["ca.pem"] == before["ca.pem"] and after["server_key.pem"] != before["server_key.pem"]
    assert (web.directory / "certs" / "server_key.pem").stat().st_mode & 0o777 == 0o600
    names = web.browser("viewer").get("/api/certificates/status").json()["certificates"][1]["names"]
    assert {"sc.example", "192.0.2.1"} <= set(names)
    wrong = web.browser("admin").post("/api/certificates/generate", {"hosts": ["a b"]})
    assert wrong.status == 422 and wrong.error["field"] == "hosts"


def test_a_dry_run_changes_nothing(web: WebHouse, tmp_path: Path) -> None:
    before = certs(web)
    browser = web.browser("admin")
    assert browser.post("/api/certificates/generate?dry_run=1", {"what": "all"}).status == 200
    theirs = other_set(tmp_path / "theirs")
    assert browser.post("/api/certificates/upload/set?dry_run=1", theirs).status == 200
    assert certs(web) == before


def test_an_upload_that_does_not_fit_changes_nothing_and_says_why(web: WebHouse, tmp_path: Path) -> None:
    before = certs(web)
    browser, theirs = web.browser("admin"), other_set(tmp_path / "theirs")
    alone = browser.post("/api/certificates/upload/server", {"certificate": theirs["certificate"]})
    assert alone.status == 422 and "is not the key of" in alone.error["message"]
    pair = {"certificate": theirs["certificate"], "key": theirs["key"]}
    unsigned = browser.post("/api/certificates/upload/server", pair)
    assert unsigned.status == 422 and "is not signed by" in unsigned.error["message"]
    assert str(tmp_path / "data") not in unsigned.error["message"]
    assert browser.post("/api/certificates/upload/ca", {"certificate": theirs["ca"]}).status == 422
    assert browser.post("/api/certificates/upload/server", {"certificate": "rubbish"}).status == 422
    assert browser.post("/api/certificates/upload/server", {}).error["field"] == "certificate"
    assert browser.post("/api/certificates/upload/other", {}).status == 404
    assert certs(web) == before


def test_a_set_is_uploaded_also_as_one_pem_file(web: WebHouse, tmp_path: Path) -> None:
    browser, theirs = web.browser("admin"), other_set(tmp_path / "theirs")
    assert browser.post("/api/certificates/upload/set", theirs).status == 200
    usable(web)
    assert certs(web)["ca.pem"].decode() == theirs["ca"]
    both = (theirs["certificate"] + theirs["key"]).encode()
    answer = browser.post("/api/certificates/upload/server", both, content_type="application/x-pem-file")
    assert answer.status == 200
    usable(web)
    assert "PRIVATE KEY" not in answer.text


def test_stations_that_would_be_refused_are_named(web: WebHouse, tmp_path: Path) -> None:
    bundle = tmp_path / "stations"
    list(bundles.make_station(_authority(web), bundle, EUI(STATION), datetime.now(UTC)))
    pem = (bundle / STATION / "station_cert.pem").read_bytes()
    line = Line(web, int(STATION, 16))
    line.certificate = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    line.connect()
    browser, theirs = web.browser("admin"), other_set(tmp_path / "theirs")
    refused = browser.post("/api/certificates/upload/set", theirs)
    assert refused.status == 409 and STATION in refused.error["message"]
    both = theirs | {"ca": theirs["ca"] + (web.directory / "certs" / "ca.pem").read_text()}
    assert browser.post("/api/certificates/upload/set", both).status == 200
    forced = browser.post("/api/certificates/upload/set", theirs | {"force": True})
    assert forced.status == 200 and forced.json()["refused_stations"] == [STATION]
    line.lose()
    away = browser.post("/api/certificates/upload/set", other_set(tmp_path / "others"))
    assert away.status == 200 and away.json()["refused_stations"] == []


def _authority(web: WebHouse) -> Path:
    return web.directory / "certs" / "ca.pem"


def test_a_bundle_for_a_station(web: WebHouse) -> None:
    admin = web.browser("admin")
    answer = admin.post(f"/api/certificates/station/{STATION.lower()}")
    assert answer.headers["content-type"] == "application/zip"
    members = _members(answer.body)
    assert sorted(members) == ["ca_cert.pem", "station_cert.pem", "station_key.pem"]
    certificate = x509.load_pem_x509_certificate(members["station_cert.pem"])
    assert euis_of(certificate) == {STATION}
    assert ("admin", "certificate.station_bundle", STATION) in web.audit()
    assert _members(admin.post(f"/api/certificates/station/{STATION}").body) == members
    renewed = _members(admin.post(f"/api/certificates/station/{STATION}", {"renew": True}).body)
    assert renewed["station_key.pem"] != members["station_key.pem"]
    assert admin.post("/api/certificates/station/xyz").status == 422
    inventory = admin.get("/api/certificates/status").json()["certificates"]
    assert inventory[-1]["file"] == f"station:{STATION}"


def test_a_bundle_of_an_authority_that_went_is_made_anew(web: WebHouse) -> None:
    admin = web.browser("admin")
    first = _members(admin.post(f"/api/certificates/station/{STATION}").body)
    assert admin.post("/api/certificates/generate", {"what": "all"}).status == 200
    second = _members(admin.post(f"/api/certificates/station/{STATION}").body)
    assert second["station_cert.pem"] != first["station_cert.pem"]
    assert second["ca_cert.pem"] == certs(web)["ca.pem"]


def _members(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def test_backup_and_restore(web: WebHouse) -> None:
    admin = web.browser("admin")
    admin.post(f"/api/certificates/station/{STATION}")
    before = certs(web)
    backup = admin.get("/api/certificates/backup").body
    admin.post("/api/certificates/generate", {"what": "all"})
    assert certs(web) != before
    answer = admin.post("/api/certificates/restore", backup, content_type="application/zip")
    assert answer.status == 200, answer.body
    assert certs(web) == before
    usable(web)
    assert [action for _, action, _ in web.audit() if action == "certificate.restore"]


@pytest.mark.parametrize("name", ["../evil.pem", "/etc/passwd", "stations/../x/ca_cert.pem", "other.txt"])
def test_an_archive_with_anything_else_is_refused(web: WebHouse, name: str) -> None:
    before = certs(web)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, b"x")
    browser = web.browser("admin")
    answer = browser.post("/api/certificates/restore", packed.getvalue(), content_type="application/zip")
    assert answer.status == 422
    for body in (b"", b"PK rubbish"):
        assert browser.post("/api/certificates/restore", body, content_type="application/zip").status == 422
    assert certs(web) == before


def test_an_archive_that_unpacks_to_too_much_is_refused(web: WebHouse) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ca_cert.pem", b"0" * 5_000_000)
    browser = web.browser("admin")
    answer = browser.post("/api/certificates/restore", packed.getvalue(), content_type="application/zip")
    assert answer.status == 422 and "larger" in answer.error["message"]


def test_wherever_a_replacement_is_cut_off_the_next_start_has_a_whole_set(
    web: WebHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = other_set(tmp_path / "theirs")
    before = certs(web)
    real = fileset.write_atomically
    for survived in range(9):
        written = 0

        def write(path: Path, data: bytes, mode: int = 0o600, survived: int = survived) -> None:
            nonlocal written
            if written == survived:
                raise KeyboardInterrupt
            written += 1
            real(path, data, mode)

        with monkeypatch.context() as patched:
            patched.setattr(fileset, "write_atomically", write)
            files = {_authority(web): theirs["ca"].encode()}
            files[web.directory / "certs" / "server.pem"] = theirs["certificate"].encode()
            files[web.directory / "certs" / "server_key.pem"] = theirs["key"].encode()
            with contextlib.suppress(KeyboardInterrupt):
                fileset.replace_together(web.directory / "data", files)
        fileset.finish_replacement(web.directory / "data")
        usable(web)
        # Back to what was, for the next cut.
        fileset.replace_together(
            web.directory / "data",
            {web.directory / "certs" / name: data for name, data in before.items()},
        )
    assert not (web.directory / "data" / "replacement").exists()


def test_the_check_is_of_settings_that_are_not_saved(web: WebHouse) -> None:
    # The files that the command line names cannot be changed; those of the web admin can.
    admin, certs_dir = web.browser("admin"), web.directory / "certs"
    pair = {"WEB_CERT_FILE": str(certs_dir / "ca.pem"), "WEB_KEY_FILE": str(certs_dir / "server_key.pem")}
    answer = admin.post("/api/certificates/check", {"settings": pair}).json()
    assert answer["ok"] is False and "is not the key of" in answer["lines"][0]["text"]
    pair["WEB_CERT_FILE"] = str(certs_dir / "server.pem")
    assert admin.post("/api/certificates/check", {"settings": pair}).json()["ok"] is True


def test_the_check_says_what_is_wrong(web: WebHouse) -> None:
    admin = web.browser("admin")
    assert admin.post("/api/certificates/check").json()["ok"] is True
    (web.directory / "certs" / "server.pem").write_text("rubbish")
    answer = admin.post("/api/certificates/check").json()
    assert answer["ok"] is False and "server.pem" in answer["lines"][0]["text"]
    with pytest.raises(CertificateError):
        usable(web)
