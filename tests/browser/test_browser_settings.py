"""Settings are checked as they are typed; a new CA asks before it locks base stations out."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bssci import bundles

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
expect = sync_api.expect

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


def test_a_new_authority_names_whom_it_locks_out(page: Any) -> None:
    sent: list[dict[str, Any]] = []

    def answer(route: Any) -> None:
        # The real one would lock out the base station of the other tests.
        sent.append(json.loads(route.request.post_data))
        route.fulfill(json={"success": True})

    page.route("**/api/certificates/generate", answer)
    page.goto("/stations?state=online")
    expect(page.locator("tr[data-key]").first).to_be_visible()
    page.goto("/certificates")
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
    page.goto("/stations?state=online")
    expect(page.locator("tr[data-key]").first).to_be_visible()
    page.goto("/certificates")
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
