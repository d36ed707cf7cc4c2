"""Devices with certificates of ours by the API and on their pages."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bssci.certificates import qr_code
from bssci.certificates.reading import lists_of
from bssci.system import files
from tests.support.telegrams import telegram
from tests.support.web import WebHouse
from tests.web.html import Document

MAC, NAME = "AA:BB:CC:DD:EE:01", "f2-aabbccddee01"
PATH = f"/api/provisioned/{NAME}"
DAY = 86400


def add(web: WebHouse, device: str = MAC, **more: Any) -> dict[str, Any]:
    answer = web.browser("admin").post("/api/provisioned", {"id": device, **more})
    assert answer.status == 200, answer.text
    device_now: dict[str, Any] = answer.json()["device"]
    return device_now


def metrics(web: WebHouse) -> dict[str, float]:
    lines = web.browser("viewer").get("/metrics").text.splitlines()
    found = [line.rpartition(" ") for line in lines if line.startswith("bssci_provision")]
    return {name: float(value) for name, _, value in found}


def revoked(web: WebHouse) -> set[str]:
    [made] = lists_of(web.directory / "certs" / "devices" / "revoked.pem", "")
    return {f"{each.serial_number:X}" for each in made}


def test_a_device_is_added_seen_and_its_bundle_taken_once(web: WebHouse) -> None:
    admin, viewer = web.browser("admin"), web.browser("viewer")
    assert viewer.get("/api/provisioned").json()["devices"] == []
    made = add(web, serial_number="4711")
    assert (made["id"], made["serial_number"], made["state"]) == (NAME, "4711", "active")
    assert made["configuration"]["mqtt"]["host"] == "broker.example"
    assert viewer.get(f"/api/provisioned/{MAC}").json() == made
    assert made["bundle_waits"]
    answer = admin.post(f"{PATH}/bundle", b"")
    assert answer.headers["content-disposition"] == f'attachment; filename="{NAME}.zip"'
    assert b"PRIVATE KEY" in zipfile.ZipFile(io.BytesIO(answer.body)).read("device_key.pem")
    again = admin.post(f"{PATH}/bundle", b"")
    assert (again.status, again.error["message"]) == (
        409,
        f"the bundle of {NAME} was taken already; renew it to get another",
    )
    assert not viewer.get(PATH).json()["bundle_waits"]
    assert ("admin", "provisioned.add", MAC) in web.audit()
    assert ("admin", "provisioned.bundle", NAME) in web.audit()


def test_only_administrators_change_anything_and_nobody_sees_a_key(web: WebHouse) -> None:
    add(web)
    operator = web.browser("operator")
    assert operator.post("/api/provisioned", {"id": "roof"}).status == 403
    for action in ("bundle", "renew", "revoke"):
        assert operator.post(f"{PATH}/{action}", b"").status == 403
    for path in (PATH, "/api/provisioned", f"{PATH}/qr", "/provisioned", f"/provisioned/{NAME}"):
        answer = web.browser("admin").get(path)
        assert (answer.status, "PRIVATE" in answer.text) == (200, False)


@pytest.mark.parametrize("spelling", [MAC, "aabbccddee01", "aa-bb-cc-dd-ee-01", NAME.upper()])
def test_a_request_for_a_mac_address_that_is_registered_is_one_clear_error(
    web: WebHouse, spelling: str
) -> None:
    made = add(web)
    answer = web.browser("admin").post("/api/provisioned", {"id": spelling})
    assert (answer.status, answer.error["code"], answer.error["field"]) == (409, "conflict", "id")
    assert answer.error["message"].startswith(f"{NAME} has been registered since ")
    assert web.browser("viewer").get(PATH).json() == made
    assert metrics(web)['bssci_provisioning_total{action="add",outcome="refused"}'] == 1
    assert revoked(web) == set()


def test_a_device_is_made_anew_renewed_and_revoked(web: WebHouse) -> None:
    admin = web.browser("admin")
    numbers = [add(web)["certificate_serial"]]
    numbers.append(add(web, force=True)["certificate_serial"])
    assert revoked(web) == {numbers[0]}
    numbers.append(admin.post(f"{PATH}/renew", b"").json()["device"]["certificate_serial"])
    assert revoked(web) == set(numbers[:2])
    assert admin.post(f"{PATH}/revoke", b"").json()["device"]["state"] == "revoked"
    assert revoked(web) == set(numbers)
    again = admin.post(f"{PATH}/revoke", b"")
    assert (again.status, again.error["message"]) == (409, f"{NAME} is revoked already")
    assert admin.post("/api/provisioned/roof/revoke", b"").status == 404
    assert [action for _, action, target in web.audit() if target == NAME] == [
        "provisioned.renew",
        "provisioned.revoke",
        "provisioned.revoke",
        "provisioned.revoke.failed",
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "id"),
        ({"id": ""}, "id"),
        ({"id": "a/b"}, "id"),
        ({"id": "roof", "serial_number": "a\nb"}, "serial_number"),
    ],
)
def test_what_cannot_be_is_refused(web: WebHouse, body: dict[str, str], field: str | None) -> None:
    answer = web.browser("admin").post("/api/provisioned", body)
    assert (answer.status, answer.error.get("field")) == (422, field)


def test_a_full_disk_is_said_and_leaves_nothing(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    add(web, "roof")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        answer = web.browser("admin").post("/api/provisioned", {"id": MAC})
    assert (answer.status, answer.error["code"]) == (503, "unavailable")
    assert "No space left" in answer.error["message"]
    assert web.browser("viewer").get(PATH).status == 404
    assert not Path(web.directory / "certs" / "devices" / NAME).exists()
    assert metrics(web)['bssci_provisioning_total{action="add",outcome="failed"}'] == 1


def test_certificates_that_end_are_counted_told_and_come_first(web: WebHouse) -> None:
    add(web, "a")
    web.advance(10 * DAY)
    add(web, "b")
    viewer = web.browser("viewer")
    assert metrics(web)['bssci_provisioned_devices{state="active"}'] == 2
    web.advance(335 * DAY)
    viewer = web.browser("viewer")
    assert [each["id"] for each in viewer.get("/api/provisioned").json()["devices"]] == ["a", "b"]
    assert [each["id"] for each in viewer.get("/api/provisioned?state=ending").json()["devices"]] == ["a"]
    assert metrics(web)['bssci_provisioned_devices{state="ending"}'] == 1
    health = viewer.get("/api/dashboard").json()["health"]
    assert "1 device's certificate expires soon: renew" in [each["text"] for each in health["problems"]]
    assert [name for _, name in web.center.provisioned.ends(30)] == ["a"]
    web.advance(21 * DAY)
    viewer = web.browser("viewer")
    assert viewer.get("/api/provisioned").json()["counts"] == {
        "active": 0, "ending": 1, "ended": 1, "revoked": 0,
    }  # fmt: skip
    assert metrics(web)["bssci_provisioned_next_end_seconds"] > web.now()


def test_a_damaged_registry_is_told_and_what_was_read_stays(web: WebHouse) -> None:
    add(web)
    (web.directory / "certs" / "devices" / "device_registry.json").write_bytes(b"{")
    answer = web.browser("viewer").get("/api/provisioned").json()
    assert "is damaged" in answer["trouble"]
    assert [each["id"] for each in answer["devices"]] == [NAME]
    page = Document(web.browser("viewer").get("/provisioned").text).one("main").text
    assert "The registry cannot be read" in page


def test_what_the_command_line_did_is_seen(web: WebHouse) -> None:
    from bssci.certificates.provisioned import Broker
    from bssci.certificates.provisioning import Provisioning

    certs = web.directory / "certs"
    moment = web.center.provisioned._moment()
    Provisioning(certs / "devices" / "ca_cert.pem", certs / "ca.pem").add("roof", Broker("b"), moment)
    assert web.browser("viewer").get("/api/provisioned/roof").json()["state"] == "active"


def test_who_was_heard_is_said(web: WebHouse) -> None:
    add(web, "roof")
    web.center.gateways.heard([telegram(gateway="roof")])
    assert web.browser("viewer").get("/api/provisioned/roof").json()["last_heard"] is not None


def test_the_code_holds_the_configuration(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("segno", reason="needs segno: pip install segno")
    add(web)
    answer = web.browser("viewer").get(f"{PATH}/qr")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    monkeypatch.setattr(qr_code, "is_installed", lambda: False)
    answer = web.browser("viewer").get(f"{PATH}/qr")
    assert (answer.status, "bssci[qr]" in answer.error["message"]) == (503, True)


def test_the_broker_gets_its_files(web: WebHouse) -> None:
    viewer = web.browser("viewer")
    assert viewer.get("/api/broker/revoked.pem").status == 404
    assert viewer.get("/api/broker/ca_key.pem").status == 404
    add(web)
    assert viewer.get("/api/broker/revoked.pem").text.startswith("-----BEGIN X509 CRL-----")
    assert viewer.get("/api/broker/ca_cert.pem").text.startswith("-----BEGIN CERTIFICATE-----")
    assert "pattern write stat/%u/#" in viewer.get("/api/broker/devices.acl").text
