"""The API of the running service: where it is, and with which token it is asked."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from bssci.cli.chosen import load_own
from bssci.cli.service_api import ServiceUnavailableError, service_api
from bssci.journal import no_service
from bssci.web.access.accounts import AccountFile


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Something holds STATE_DIR, as a service does."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    with no_service(tmp_path / "data"):
        yield


def options(url: str | None = None, token_file: Path | None = None) -> argparse.Namespace:
    return argparse.Namespace(url=url, token_file=token_file)


def url_of(monkeypatch: pytest.MonkeyPatch, **settings: str) -> str:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with service_api(options(), load_own(), "admin") as api:
        return api.url


@pytest.mark.usefixtures("runs")
def test_it_is_where_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    assert url_of(monkeypatch) == "http://127.0.0.1:5000"
    assert url_of(monkeypatch, WEB_HOST="0.0.0.0", WEB_PORT="8080") == "http://127.0.0.1:8080"
    assert url_of(monkeypatch, WEB_HOST="::1") == "http://[::1]:8080"
    assert url_of(monkeypatch, WEB_LISTEN="tcp:8081:interface=10.0.0.1") == "http://10.0.0.1:8081"
    with pytest.raises(ServiceUnavailableError, match="use --url"):
        url_of(monkeypatch, WEB_LISTEN="systemd:domain=INET:index=0")
    with pytest.raises(ServiceUnavailableError, match="WEB_PORT=0"):
        url_of(monkeypatch, WEB_LISTEN="", WEB_PORT="0")


@pytest.mark.usefixtures("runs")
def test_a_token_of_its_own_is_there_only_meanwhile() -> None:
    file = AccountFile(Path("data"))
    with service_api(options(), load_own(), "admin"):
        (token,) = file.read().tokens
        assert token.role == "admin"
    assert not file.read().tokens
    with pytest.raises(KeyboardInterrupt), service_api(options(), load_own(), "admin"):
        raise KeyboardInterrupt
    assert not file.read().tokens


@pytest.mark.usefixtures("runs")
def test_a_token_that_is_given_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BSSCI_TOKEN", "bssci_given")
    with service_api(options(), load_own(), "admin"):
        assert not AccountFile(Path("data")).read().tokens


@pytest.mark.usefixtures("runs")
def test_a_service_elsewhere_takes_a_token_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        pytest.raises(ServiceUnavailableError, match="--url requires a token"),
        service_api(options("https://bssci.example"), load_own(), "admin"),
    ):
        raise AssertionError
    (tmp_path / "token").write_text("bssci_given\n")
    with service_api(options("https://bssci.example/", tmp_path / "token"), load_own(), "admin") as api:
        assert api.url == "https://bssci.example"
    assert not capsys.readouterr().err
    with service_api(options("http://bssci.example", tmp_path / "token"), load_own(), "admin"):
        assert "not encrypted" in capsys.readouterr().err
    for url, why in [
        ("bssci.example", "must be http"),
        ("ftp://u:hunter2@bssci.example", "must be http"),
        ("https://u:hunter2@bssci.example", "no user and password in it"),
    ]:
        with (
            pytest.raises(ServiceUnavailableError, match=why) as caught,
            service_api(options(url, tmp_path / "token"), load_own(), "admin"),
        ):
            raise AssertionError
        assert "hunter2" not in str(caught.value)


def test_without_a_service_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        with (
            pytest.raises(ServiceUnavailableError, match="the service is not running"),
            service_api(options(), load_own(), "admin"),
        ):
            raise AssertionError
        (tmp_path / "data").mkdir(exist_ok=True)
    assert not (tmp_path / "data" / "accounts.json").exists()
