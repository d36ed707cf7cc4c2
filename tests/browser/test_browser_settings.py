"""Settings are checked as they are typed; a new CA asks before it locks base stations out."""

from __future__ import annotations

import io
import json
import re
import ssl
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bssci.certificates import bundles
from tests.browser.chromium import expect
from tests.support.running_service import RunningService

pytestmark = [pytest.mark.parts]


def test_a_setting_is_checked_as_it_is_typed(page: Any) -> None:
    page.goto("/config")
    interval, sinks = (page.get_by_label(name, exact=True) for name in ("STATUS_INTERVAL", "SINKS"))
    save = page.get_by_role("button", name="Review and save")
    interval.fill("0")
    expect(page.locator("#e-STATUS_INTERVAL")).not_to_be_empty()
    expect(interval).to_have_attribute("aria-invalid", "true")
    expect(save).to_be_disabled()
    sinks.fill("log,paper")
    expect(page.locator("#e-SINKS")).to_contain_text("no sink 'paper'")
    expect(page.locator("#e-STATUS_INTERVAL")).not_to_be_empty()
    sinks.fill("log")
    expect(page.locator("#e-SINKS")).to_be_empty()
    expect(save).to_be_disabled()
    interval.fill("60")
    expect(page.locator("#e-STATUS_INTERVAL")).to_be_empty()
    expect(interval).not_to_have_attribute("aria-invalid", "true")
    expect(save).to_be_enabled()


LOCKED_OUT = re.compile(r"[1-9]\d* connected base stations? would be refused")


def open_certificates(page: Any) -> None:
    """While a base station is connected."""
    page.goto("/stations?state=online")
    expect(page.locator("tr[data-key]").first).to_be_visible()
    page.goto("/certificates")


def test_a_new_authority_names_whom_it_locks_out(page: Any) -> None:
    sent: list[dict[str, Any]] = []

    def answer(route: Any) -> None:
        # The real one would lock out the base station of the other tests.
        sent.append(json.loads(route.request.post_data))
        route.fulfill(json={"success": True})

    page.route("**/api/certificates/generate", answer)
    open_certificates(page)
    page.get_by_label("What", exact=True).select_option("all")
    page.get_by_role("button", name="Generate…").click()
    page.get_by_role("dialog").get_by_role("button", name="Generate").click()
    dialog = page.get_by_role("dialog").filter(has_text=LOCKED_OUT)
    expect(dialog).to_be_visible()
    go = dialog.get_by_role("button", name="Lock out")
    expect(go).to_be_disabled()
    dialog.get_by_role("textbox").fill("lock out")
    with page.expect_navigation():
        go.click()
    assert sent == [{"what": "all", "force": True}]


def test_an_upload_may_bring_the_authority_too(page: Any) -> None:
    page.goto("/certificates")
    authority = page.get_by_label("Certificates of the authorities")
    expect(authority).to_be_hidden()
    page.get_by_label("Certificate of", exact=True).select_option("set")
    certificate = page.request.get("/api/certificates/download/server").body()
    pem = {"name": "one.pem", "mimeType": "application/x-pem-file"}
    page.get_by_label("Certificate (PEM)").set_input_files({**pem, "buffer": certificate})
    authority.set_input_files({**pem, "buffer": certificate})
    page.get_by_role("button", name="Check", exact=True).click()
    # A certificate of the service center is no authority: it has been sent, and looked at.
    expect(page.locator("[data-upload] .outcome")).to_contain_text("ca.pem")


def test_an_upload_names_whom_it_locks_out(page: Any, tmp_path: Path) -> None:
    ca, server, key, now = (
        *(tmp_path / name for name in ("ca.pem", "server.pem", "key.pem")),
        datetime.now(UTC),
    )
    list(bundles.make_authority(ca, now))
    list(bundles.make_server(ca, server, key, [], now))
    sent: list[dict[str, Any]] = []

    def answer(route: Any) -> None:
        # The real one would lock out the base station of the other tests.
        sent.append(json.loads(route.request.post_data))
        route.fulfill(json={"success": True})

    page.route("**/api/certificates/upload/set", answer)
    open_certificates(page)
    form = page.locator("[data-upload]")
    form.get_by_label("Certificate of", exact=True).select_option("set")
    form.get_by_label("Certificate (PEM)").set_input_files(server)
    form.get_by_label("Private key").set_input_files(key)
    form.get_by_label("Certificates of the authorities").set_input_files(ca)
    form.get_by_role("button", name="Check", exact=True).click()
    expect(form.locator(".outcome")).to_contain_text(LOCKED_OUT)
    form.get_by_role("button", name="Use it").click()
    dialog = page.get_by_role("dialog").filter(has_text=LOCKED_OUT)
    go = dialog.get_by_role("button", name="Lock out")
    expect(go).to_be_disabled()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert sent == []
    form.get_by_role("button", name="Use it").click()
    dialog.get_by_role("textbox").fill("lock out")
    with page.expect_navigation():
        go.click()
    files = {"certificate": server, "key": key, "ca": ca}
    assert sent == [{**{name: path.read_text() for name, path in files.items()}, "force": True}]


def test_a_restore_names_whom_it_locks_out(page: Any, tmp_path: Path) -> None:
    ca, now = tmp_path / "ca_cert.pem", datetime.now(UTC)
    list(bundles.make_authority(ca, now))
    list(bundles.make_server(ca, tmp_path / "server_cert.pem", tmp_path / "server_key.pem", [], now))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(tmp_path.glob("*.pem")):
            archive.write(path, path.name)
    sent: list[str] = []

    def answer(route: Any) -> None:
        # The real one would lock out the base station of the other tests.
        sent.append(route.request.url)
        assert route.request.post_data_buffer == packed.getvalue()
        route.fulfill(json={"success": True})

    page.route("**/api/certificates/restore?force=*", answer)
    open_certificates(page)
    file = {"name": "certificates.zip", "mimeType": "application/zip", "buffer": packed.getvalue()}
    page.locator("[data-restore]").get_by_label("Archive").set_input_files(file)
    page.get_by_role("button", name="Restore…").click()
    page.get_by_role("dialog").get_by_role("button", name="Restore", exact=True).click()
    dialog = page.get_by_role("dialog").filter(has_text=LOCKED_OUT)
    go = dialog.get_by_role("button", name="Lock out")
    expect(go).to_be_disabled()
    assert sent == []
    dialog.get_by_role("textbox").fill("lock out")
    with page.expect_navigation():
        go.click()
    assert [url.rpartition("?")[2] for url in sent] == ["force=1"]


def test_a_password_goes_with_its_user(page: Any) -> None:
    def review() -> Any:
        page.get_by_role("button", name="Review and save").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        return dialog

    page.goto("/config")
    user, password = (page.get_by_label(name, exact=True) for name in ("MQTT_USERNAME", "MQTT_PASSWORD"))
    user.fill("me")
    password.fill("topsecret")
    expect(page.get_by_text("2 settings changed")).to_be_visible()
    dialog = review()
    expect(dialog).to_contain_text("(not set) → ••••••••")
    with page.expect_navigation():
        dialog.get_by_role("button", name="Save").click()
    expect(password).to_have_attribute("placeholder", re.compile("^set"))
    expect(page.get_by_text("settings changed")).to_be_hidden()
    user.fill("")
    expect(page.get_by_text("2 settings changed")).to_be_visible()
    dialog = review()
    expect(dialog).to_contain_text("•••••••• → (not set)")
    with page.expect_navigation():
        dialog.get_by_role("button", name="Save").click()
    expect(user).to_have_value("")
    expect(password).to_have_attribute("placeholder", "not set")


def test_a_secret_without_a_user_is_removed_by_its_tick(page: Any) -> None:
    page.goto("/config")
    secret = page.get_by_label("WEBHOOK_SECRET", exact=True)
    for text, said in (("topsecret", "(not set) → ••••••••"), ("", "•••••••• → (not set)")):
        if text:
            secret.fill(text)
        else:
            page.get_by_label("Remove WEBHOOK_SECRET").check()
        expect(page.get_by_text("1 setting changed")).to_be_visible()
        page.get_by_role("button", name="Review and save").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text(said)
        with page.expect_navigation():
            dialog.get_by_role("button", name="Save").click()
    expect(secret).to_have_attribute("placeholder", "not set")


def test_a_generated_certificate_is_in_use_when_that_is_said(page: Any, service: RunningService) -> None:
    page.goto("/certificates")
    page.get_by_role("button", name="Generate…").click()
    page.get_by_role("dialog").get_by_role("button", name="Generate").click()
    expect(page.get_by_text("Generated, and in use.")).to_be_visible()
    shown = ssl.get_server_certificate(("127.0.0.1", service.listen_port))
    assert shown == page.request.get("/api/certificates/download/server").text()
