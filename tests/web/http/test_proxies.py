"""Who really asks, where a reverse proxy stands in front."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from bssci.web.http.proxies import TrustedProxies
from bssci.web.pages.table import PAGES
from tests.support.web import PASSWORD, SENSOR, Browser, WebHouse

PROXY = "192.0.2.7"
FORWARDED = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/mioty"}


@pytest.fixture
def behind(make_web_house: Callable[..., WebHouse]) -> WebHouse:
    return make_web_house(**{"trusted-proxies": f"{PROXY}, 10.0.0.0/8"})


def log_in(browser: Browser, **headers: str) -> str:
    """How the cookie was set."""
    body = {"username": "admin", "password": PASSWORD}
    answer = browser.post("/api/login", body, headers=headers)
    assert answer.status == 200
    browser.csrf = answer.json()["csrf"]
    return answer.headers["set-cookie"]


def asker(web: WebHouse) -> str:
    """The address that the newest entry of the audit log holds."""
    entries = web.browser("viewer").get("/api/audit?action=login&limit=2").json()["entries"]
    return next(str(entry["address"]) for entry in entries if entry["who"] == "admin")


def test_what_a_trusted_proxy_says_counts(behind: WebHouse) -> None:
    cookie = log_in(Browser(behind), **FORWARDED)
    assert cookie.endswith("; Secure") and "; Path=/mioty;" in cookie
    assert asker(behind) == "203.0.113.9"


def test_logging_in_with_and_without_tls_at_one_host_do_not_get_in_each_others_way(behind: WebHouse) -> None:
    """Browsers let no cookie of a page without TLS replace one that is for TLS only."""
    names = {
        log_in(Browser(behind), **headers).partition("=")[0]
        for headers in ({}, {"X-Forwarded-Proto": "https"})
    }
    assert names == {"bssci_session_12345", "__Secure-bssci_session_12345"}


def test_a_session_over_tls_is_known_where_the_proxy_does_not_say_so(behind: WebHouse) -> None:
    browser = Browser(behind)
    log_in(browser, **FORWARDED)
    assert browser.get("/api/me", headers=FORWARDED).status == 200
    assert browser.get("/api/me").status == 200
    browser.cookies = {name.removeprefix("__Secure-"): value for name, value in browser.cookies.items()}
    assert browser.get("/api/me").status == 200
    assert browser.get("/api/me", headers=FORWARDED).status == 401


def test_what_others_say_does_not(behind: WebHouse) -> None:
    cookie = log_in(Browser(behind, "198.51.100.1"), **FORWARDED)
    assert "Secure" not in cookie and "; Path=/;" in cookie
    assert asker(behind) == "198.51.100.1"


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("1.2.3.4, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("203.0.113.9:55123", "203.0.113.9"),
        ("[2001:db8::1]:443, 10.1.2.3", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("10.9.9.9, 10.1.2.3", "10.9.9.9"),
        ("203.0.113.9, made up", PROXY),
        ("", PROXY),
    ],
)
def test_the_last_address_that_no_trusted_proxy_has(behind: WebHouse, said: str, address: str) -> None:
    log_in(Browser(behind), **{"X-Forwarded-For": said})
    assert asker(behind) == address


@pytest.mark.parametrize(
    "prefix", ["//evil.example", "/a/../b", "mioty", "/a b", '/"x', "/a\\b", "/" + "x" * 300, "/."]
)
def test_a_path_that_would_lead_elsewhere_is_none(behind: WebHouse, prefix: str) -> None:
    answer = Browser(behind).get("/stations", headers={"X-Forwarded-Prefix": prefix})
    assert answer.headers["location"] == "/login?next=%2Fstations"


@pytest.mark.parametrize(
    "peer", [IPv4Address("TCP", "::ffff:10.0.0.1", 1), IPv6Address("TCP", "::ffff:10.0.0.1", 1)]
)
def test_an_address_is_one_in_both_spellings(peer: IPv4Address | IPv6Address) -> None:
    assert TrustedProxies(["10.0.0.0/8"]).trusts(peer)


def test_unix_sockets_are_trusted_by_their_word() -> None:
    peer = UNIXAddress("/run/bssci")
    assert TrustedProxies(["unix"]).trusts(peer)
    assert not TrustedProxies(["127.0.0.1"]).trusts(peer)


def test_redirects_lead_below_the_path(behind: WebHouse) -> None:
    browser = Browser(behind)
    headers = {"X-Forwarded-Prefix": "/mioty/"}
    answer = browser.get("/sensors?q=x", headers=headers)
    assert answer.headers["location"] == "/mioty/login?next=%2Fsensors%3Fq%3Dx"
    form = f"username=viewer&password={PASSWORD}&next=/sensors%3Fq%3Dx".encode()
    answer = browser.ask(
        "POST", "/login", form, headers=headers, content_type="application/x-www-form-urlencoded"
    )
    assert answer.status == 303 and answer.headers["location"] == "/mioty/sensors?q=x"


def test_every_link_of_a_page_leads_below_the_path(behind: WebHouse) -> None:
    browser = behind.browser("admin")
    for page in [*(page.path for page in PAGES), "/nothing/here"]:
        path = page.replace("/stations/<eui>", "/stations").replace("<eui>", SENSOR)
        path = path.replace("<name>", "cayenne")
        text = browser.get(path, headers={"X-Forwarded-Prefix": "/mioty"}).text
        links = re.findall(r'\b(?:href|src|action)="(/[^"]*)"', text)
        assert links and all(link.startswith("/mioty/") for link in links), path
        assert '<html lang="en" data-prefix="/mioty"' in text, path


def test_the_description_of_the_api_names_the_path(behind: WebHouse) -> None:
    browser = behind.browser("viewer")
    answer = browser.get("/api/openapi.json", headers={"X-Forwarded-Prefix": "/mioty"})
    assert answer.json()["servers"] == [{"url": "/mioty"}]
