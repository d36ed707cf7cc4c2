"""Certificates by the API: checked before they are in place, replaced as a set."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.defer import Deferred, succeed

from bssci.certificates import bundles
from bssci.certificates.checking import check_pair
from bssci.certificates.reading import CertificateError, euis_of
from bssci.model import EUI
from bssci.system import replacing as filesystem
from bssci.web.outside import Outside
from tests.support.center import Line
from tests.support.web import Connection, WebHouse
from tests.web.html import Document

STATION = "70B3D59CD0000001"
RESTORE = "/api/certificates/restore"


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


def test_the_status_lists_the_certificates_in_use(web: WebHouse) -> None:
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
    # Without names it keeps them: base stations that look for theirs would not connect any more.
    assert web.browser("admin").post("/api/certificates/generate", {}).status == 200
    assert web.browser("viewer").get("/api/certificates/status").json()["certificates"][1]["names"] == names
    wrong = web.browser("admin").post("/api/certificates/generate", {"hosts": ["a b"]})
    assert wrong.status == 422 and wrong.error["field"] == "hosts"
    assert "'a b' is neither a host name nor an address" in wrong.error["message"]


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
    assert browser.post("/api/certificates/upload/server", theirs).error["field"] == "ca"
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


PLACES = {"server": ("server.pem", "server_key.pem"), "ca": ("ca.pem", "ca_key.pem")}


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("as_pem", [True, False])
def test_a_certificate_and_its_key_in_one_file_go_to_their_places(
    web: WebHouse, kind: str, as_pem: bool
) -> None:
    before, browser = certs(web), web.browser("admin")
    certificate, key = PLACES[kind]
    (web.directory / "certs" / "ca_key.pem").unlink()
    both = before[key] + before[certificate]
    path = f"/api/certificates/upload/{kind}"
    if as_pem:
        answer = browser.post(path, both, content_type="application/x-pem-file")
    else:
        answer = browser.post(path, {"certificate": both.decode()})
    assert answer.status == 200, answer.body
    after = certs(web)
    assert (after[certificate], after[key]) == (before[certificate], before[key])
    assert (web.directory / "certs" / key).stat().st_mode & 0o777 == 0o600
    usable(web)


def test_a_set_may_bring_the_key_of_its_authority_in_one_file(web: WebHouse, tmp_path: Path) -> None:
    admin, theirs = web.browser("admin"), other_set(tmp_path / "theirs")
    key = (tmp_path / "theirs" / "ca_key.pem").read_text()
    both = theirs | {"ca": theirs["ca"] + key}
    assert admin.post("/api/certificates/upload/set", both).status == 200
    after = certs(web)
    assert (after["ca.pem"].decode(), after["ca_key.pem"].decode()) == (theirs["ca"], key)
    assert admin.get("/api/certificates/status").json()["can_issue"] is True


def test_a_key_that_is_not_of_the_authority_in_its_file_is_refused(web: WebHouse) -> None:
    before = certs(web)
    both = (before["ca.pem"] + before["server_key.pem"]).decode()
    answer = web.browser("admin").post("/api/certificates/upload/ca", {"certificate": both})
    assert answer.status == 422 and "ca_key.pem: is not the key of ca.pem" in answer.error["message"]
    assert certs(web) == before


def test_no_key_is_restored_into_the_file_of_a_certificate(web: WebHouse) -> None:
    admin, files = web.browser("admin"), certs(web)
    members = _members(admin.get("/api/certificates/backup").body)
    members["ca_cert.pem"] += files["ca_key.pem"]
    assert admin.post(RESTORE, _packed(members), content_type="application/zip").status == 200
    assert certs(web) == files


def test_a_bundle_that_was_made_with_a_key_in_it_is_handed_out_without(web: WebHouse) -> None:
    admin, files = web.browser("admin"), certs(web)
    first = _members(admin.post(f"/api/certificates/station/{STATION}").body)
    copy = web.directory / "certs" / "stations" / STATION / "ca_cert.pem"
    copy.write_bytes(files["ca.pem"] + files["ca_key.pem"])
    assert _members(admin.post(f"/api/certificates/station/{STATION}").body) == first


def test_the_key_of_an_authority_that_went_is_not_used(web: WebHouse, tmp_path: Path) -> None:
    admin, theirs = web.browser("admin"), other_set(tmp_path / "theirs")
    assert admin.get("/api/certificates/status").json()["can_issue"] is True
    assert admin.post("/api/certificates/upload/set", theirs).status == 200
    assert admin.get("/api/certificates/status").json()["can_issue"] is False
    for path in (f"/api/certificates/station/{STATION}", "/api/certificates/generate"):
        refused = admin.post(path, {})
        text = f"{web.directory}/certs/ca_key.pem: is not the key of {web.directory}/certs/ca.pem"
        assert refused.status == 422 and refused.error["message"].startswith(text)
    before = certs(web)
    backup = admin.get("/api/certificates/backup").body
    assert "ca_key.pem" not in _members(backup)
    assert admin.post(RESTORE, backup, content_type="application/zip").status == 200
    assert certs(web) == before


def connected(web: WebHouse, directory: Path) -> Line:
    """A base station with a certificate of the present authority."""
    list(bundles.make_station(_authority(web), directory, EUI(STATION), datetime.now(UTC)))
    pem = (directory / STATION / "station_cert.pem").read_bytes()
    line = Line(web, int(STATION, 16))
    line.certificate = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    line.connect()
    return line


def test_a_restore_that_would_refuse_stations_asks_first(web: WebHouse, tmp_path: Path) -> None:
    admin = web.browser("admin")
    admin.post("/api/certificates/generate", {"what": "all"})
    backup = admin.get("/api/certificates/backup").body
    admin.post("/api/certificates/generate", {"what": "all"})
    before = certs(web)
    connected(web, tmp_path / "stations")
    dry = admin.post(f"{RESTORE}?dry_run=1", backup, content_type="application/zip")
    assert dry.json()["refused_stations"] == [STATION]
    refused = admin.post(RESTORE, backup, content_type="application/zip")
    assert refused.status == 409 and STATION in refused.error["message"]
    assert certs(web) == before
    assert admin.post(f"{RESTORE}?force=1", backup, content_type="application/zip").status == 200
    assert certs(web) != before


def test_the_answer_comes_when_new_certificates_are_in_force(make_web_house: Callable[..., WebHouse]) -> None:
    seen: list[bytes] = []

    def take() -> Deferred[None]:
        seen.append(certs(web)["server.pem"])
        return succeed(None) if len(seen) > 1 else waiting

    waiting: Deferred[None] = Deferred()
    outside = Outside(take_certificates=take)
    web = make_web_house(outside=outside, **{"web-tls": "true"})
    tls = web.admin.tls
    assert tls is not None
    admin, old = web.browser("admin"), tls._context
    connection = Connection(web)
    connection.send(admin.request("POST", "/api/certificates/generate", {}))
    assert seen == [certs(web)["server.pem"]] and connection.received == b""
    waiting.callback(None)
    web.settle()
    assert connection.received.startswith(b"HTTP/1.1 200") and tls._context is not old
    for path in ("upload/server", "restore"):
        old = tls._context
        if path == "restore":
            archive = admin.get("/api/certificates/backup").body
            answer = admin.post(RESTORE, archive, content_type="application/zip")
        else:
            files = certs(web)
            pair = (files["server.pem"] + files["server_key.pem"]).decode()
            answer = admin.post(f"/api/certificates/{path}", {"certificate": pair})
        assert answer.status == 200 and tls._context is not old
    assert len(seen) == 3


def test_the_page_tells_names_and_fingerprints_of_all(web: WebHouse, tmp_path: Path) -> None:
    connected(web, tmp_path / "shown")
    admin = web.browser("admin")
    admin.post(f"/api/certificates/station/{STATION}")
    page = Document(admin.get("/certificates").text)
    tables = page.all("table")
    assert len(tables) == 3
    shown = x509.load_pem_x509_certificate((tmp_path / "shown" / STATION / "station_cert.pem").read_bytes())
    made = x509.load_pem_x509_certificate(
        (web.directory / "certs" / "stations" / STATION / "station_cert.pem").read_bytes()
    )
    for table, certificate in zip(tables[1:], (made, shown), strict=True):
        assert certificate.fingerprint(SHA256()).hex(":").upper() in table.text.upper()
        # as CN, and as the name of SAN
        assert f"CN={STATION}" in table.text and table.text.replace(f"CN={STATION}", "").count(STATION) >= 2


def test_stations_that_would_be_refused_are_named(web: WebHouse, tmp_path: Path) -> None:
    line = connected(web, tmp_path / "stations")
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
    assert sorted(members) == [
        "ca_cert.pem",
        "connection.txt",
        "station_cert.pem",
        "station_key.pem",
        "steps.html",
    ]
    certificate = x509.load_pem_x509_certificate(members["station_cert.pem"])
    assert euis_of(certificate) == {STATION}
    assert ("admin", "certificate.station_bundle", STATION) in web.audit()
    told = admin_bundle(web, {"host": "sc.example"})
    assert told["connection.txt"] == f"host=sc.example\nport=16018\nbase_station={STATION}\n".encode()
    assert b"sc.example" in told["steps.html"]
    assert b"host=192.0.2.7\n" in admin_bundle(web, {"host": " 192.0.2.7 "})["connection.txt"]
    for wrong in ("http://sc.example", "sc.example:16018", "192.0.2.300"):
        refused = admin.post(f"/api/certificates/station/{STATION}", {"host": wrong})
        assert (refused.status, refused.error["field"]) == (422, "host")
        assert "must be a host name or an address" in refused.error["message"]
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


def _packed(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return packed.getvalue()


def test_backup_and_restore(web: WebHouse) -> None:
    admin = web.browser("admin")
    admin.post(f"/api/certificates/station/{STATION}")
    before = certs(web)
    backup = admin.get("/api/certificates/backup").body
    admin.post("/api/certificates/generate", {"what": "all"})
    assert certs(web) != before
    answer = admin.post(RESTORE, backup, content_type="application/zip")
    assert answer.status == 200, answer.body
    assert certs(web) == before
    usable(web)
    assert [action for _, action, _ in web.audit() if action == "certificate.restore"]


@pytest.mark.parametrize("name", ["../evil.pem", "/etc/passwd", "stations/../x/ca_cert.pem", "other.txt"])
def test_an_archive_with_anything_else_is_refused(web: WebHouse, name: str) -> None:
    before = certs(web)
    browser = web.browser("admin")
    answer = browser.post(RESTORE, _packed({name: b"x"}), content_type="application/zip")
    assert answer.status == 422
    for body in (b"", b"PK rubbish"):
        assert browser.post(RESTORE, body, content_type="application/zip").status == 422
    assert certs(web) == before


def test_an_archive_that_unpacks_to_too_much_is_refused(web: WebHouse) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ca_cert.pem", b"0" * 5_000_000)
    browser = web.browser("admin")
    answer = browser.post(RESTORE, packed.getvalue(), content_type="application/zip")
    assert answer.status == 422 and "larger" in answer.error["message"]


def test_wherever_a_replacement_is_cut_off_the_next_start_has_a_whole_set(
    web: WebHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = other_set(tmp_path / "theirs")
    before = certs(web)
    real = filesystem.write_atomically
    for survived in range(9):
        written = 0

        def write(path: Path, data: bytes, mode: int = 0o600, survived: int = survived) -> None:
            nonlocal written
            if written == survived:
                raise KeyboardInterrupt
            written += 1
            real(path, data, mode)

        with monkeypatch.context() as patched:
            patched.setattr(filesystem, "write_atomically", write)
            files = {_authority(web): theirs["ca"].encode()}
            files[web.directory / "certs" / "server.pem"] = theirs["certificate"].encode()
            files[web.directory / "certs" / "server_key.pem"] = theirs["key"].encode()
            with contextlib.suppress(KeyboardInterrupt):
                filesystem.replace_together(web.directory / "data", files)
        filesystem.finish_replacement(web.directory / "data")
        usable(web)
        # Back to what was, for the next cut.
        filesystem.replace_together(
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


def admin_bundle(web: WebHouse, body: dict[str, str]) -> dict[str, bytes]:
    answer = web.browser("admin").post(f"/api/certificates/station/{STATION}", body)
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_one_certificate_is_revoked_kept_in_the_backup_and_made_anew(web: WebHouse) -> None:
    admin = web.browser("admin")
    admin.post(f"/api/certificates/station/{STATION}", {})
    pem = (web.directory / "certs" / "stations" / STATION / "station_cert.pem").read_bytes()
    certificate = x509.load_pem_x509_certificate(pem)
    line = Line(web, int(STATION, 16))
    line.certificate = certificate.public_bytes(Encoding.DER)
    line.connect()
    answer = admin.post("/api/certificates/revoke", {"eui": STATION}).json()
    assert (answer["success"], answer["subject"], answer["cut_off"]) == (True, f"CN={STATION}", 1)
    assert line.closed == "its certificate was revoked"
    assert ("admin", "certificate.revoke", STATION) in web.audit()
    [revoked] = web.browser("viewer").get("/api/certificates/status").json()["revoked"]
    assert (revoked["subject"], revoked["serial"]) == (f"CN={STATION}", f"{certificate.serial_number:X}")
    assert f"CN={STATION}" in Document(web.browser("viewer").get("/certificates").text).one("main").text
    backup = admin.get("/api/certificates/backup").body
    assert "revoked.pem" in zipfile.ZipFile(io.BytesIO(backup)).namelist()
    (web.directory / "certs" / "revoked.pem").unlink()
    assert admin.post(RESTORE, backup, content_type="application/zip").status == 200
    assert (web.directory / "certs" / "revoked.pem").exists()
    usable(web)
    # A bundle with a revoked certificate is of no use: the next one is new.
    admin.post(f"/api/certificates/station/{STATION}", {})
    assert (web.directory / "certs" / "stations" / STATION / "station_cert.pem").read_bytes() != pem


def test_what_is_not_ours_is_not_revoked(web: WebHouse, tmp_path: Path) -> None:
    admin = web.browser("admin")
    (tmp_path / "other").mkdir()
    other = other_set(tmp_path / "other")
    answer = admin.post("/api/certificates/revoke", {"certificate": other["certificate"]})
    assert answer.status == 422 and "only its owner can revoke it" in answer.error["message"]
    for body in ({}, {"certificate": "x"}, {"eui": STATION, "certificate": "x"}, {"eui": STATION}):
        assert admin.post("/api/certificates/revoke", body).status == 422, body
    unknown = web.browser("admin").post("/api/certificates/revoke", {"eui": "CAFE0000000000FF"})
    assert unknown.status == 422
    assert "CAFE0000000000FF has shown no certificate, and there is no bundle" in unknown.error["message"]
    assert web.browser("operator").post("/api/certificates/revoke", {"eui": STATION}).status == 403
