"""Devices with certificates of ours in a browser: added, handed over once; and a test alarm."""

from __future__ import annotations

import re
import zipfile
from typing import Any

import pytest

from tests.browser.chromium import expect

pytestmark = pytest.mark.parts

MAC, NAME = "AA:BB:CC:DD:EE:77", "f2-aabbccddee77"


def test_a_device_is_added_its_bundle_is_taken_once_and_it_is_revoked(page: Any) -> None:
    page.goto("/provisioned")
    page.get_by_label("MAC address or name").fill(MAC)
    page.get_by_role("button", name="Add").click()
    page.wait_for_url(re.compile("/provisioned/"))
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    expect(page.get_by_role("img", name="QR code of the configuration")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download…").click()
        page.get_by_role("button", name="Download", exact=True).click()
    with zipfile.ZipFile(download.value.path()) as bundle:
        assert b"PRIVATE KEY" in bundle.read("device_key.pem")
    expect(page.get_by_text("The bundle has been downloaded.")).to_be_visible()
    page.reload()
    expect(page.get_by_text("It was handed over")).to_be_visible()
    page.get_by_role("button", name="Revoke…").click()
    page.get_by_role("button", name="Revoke", exact=True).click()
    expect(page.get_by_text("It is revoked.")).to_be_visible()


def test_a_test_alarm_says_by_which_ways_people_are_told(page: Any) -> None:
    page.goto("/alarms")
    page.get_by_role("button", name="Send a test alarm").click()
    result = page.get_by_role("status").filter(has_text="Every channel that is set up took it.")
    expect(result).to_contain_text("mail: it sends to nobody: set ALARM_MAIL_HOST", timeout=25_000)
    expect(result).to_contain_text("mqtt: taken by the sink")
