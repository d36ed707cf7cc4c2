"""A client of the running service's HTTP API, for subcommands.

a service holds STATE_DIR --> WEB_HOST, WEB_PORT, with a temporary token that is revoked at the end
--url                     --> that URL, with the token in --token-file or BSSCI_TOKEN
"""

from __future__ import annotations

import argparse
import http.client
import ipaddress
import json
import os
import re
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bssci.journal import JournalError, no_service
from bssci.settings.descriptions import host_and_port
from bssci.settings.rows import without_user_info
from bssci.settings.table import Settings
from bssci.system.secret_files import SecretFileError, read_secret
from bssci.web.access.accounts import AccountFile, Role

TIMEOUT = 30.0
"""s that an answer may take"""
TOKEN_NAME = "BSSCI_TOKEN"
"""environment variable that holds a token"""


class ServiceUnavailableError(Exception):
    """The service is not running, or does not answer."""


class RefusedError(Exception):
    """The service answered with an error; the message is the service's.

    :ivar status: HTTP status.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ServiceApi:
    """A client of one service's API.

    :param url: URL of its web admin, without a path.
    :param own: certificate of the service, if it is that of this installation with TLS; None: trust the
        system's authorities.
    """

    def __init__(self, url: str, token: str, own: Path | None = None) -> None:
        self.url = url.rstrip("/")
        self._token = token
        # No proxy, since the token is for the service only.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), _NoRedirects(), urllib.request.HTTPSHandler(context=_trust(own))
        )

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send a request, and return the answer's JSON value.

        :param body: JSON value to send; None: no body.
        :raises ServiceUnavailableError: there is no answer.
        :raises RefusedError: the service answered with an error.
        """
        request = urllib.request.Request(
            f"{self.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise RefusedError(error.code, _told(error)) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise ServiceUnavailableError(f"no answer from {self.url}: {reason}") from None

    def readiness(self, timeout: float) -> dict[str, Any]:
        """Return what ``/readyz`` answers, which needs no token, whether the service is ready or not.

        :param timeout: s that the answer may take.
        :raises ServiceUnavailableError: there is no answer, or another one.
        """
        try:
            try:
                answer = self._opener.open(f"{self.url}/readyz", timeout=timeout)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                told = json.load(answer)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise ServiceUnavailableError(f"no answer from {self.url}: {reason}") from None
        if not isinstance(told, dict) or "ready" not in told:
            raise ServiceUnavailableError(f"{self.url} is not the service")
        return told


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses redirects, which would send the token elsewhere."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that determine which service is used."""
    parser.add_argument(
        "--url", help="web admin of a service elsewhere; default: the service of this installation"
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        help=f"file with an API token; default: {TOKEN_NAME}, or a temporary token",
    )


@contextmanager
def service_api(arguments: argparse.Namespace, chosen: Settings, role: Role) -> Iterator[ServiceApi]:
    """Provide the API of the service that the options name.

    :param role: role of the temporary token.
    :raises ServiceUnavailableError: it is not running, or cannot be reached.
    """
    token = _given_token(arguments.token_file)
    if arguments.url:
        yield ServiceApi(_checked(arguments.url), _needed(token))
        return
    _check_running(chosen.state_dir)
    if token:
        yield own_service(chosen, token)
        return
    accounts = AccountFile.at_command_line(chosen.state_dir)
    name = f"command-line-{os.getpid()}"
    secret = accounts.create_token(name, role)
    try:
        yield own_service(chosen, secret)
    finally:
        accounts.revoke_token(name)


def own_service(chosen: Settings, token: str = "") -> ServiceApi:
    """Return the API of the service of this installation.

    :param token: empty for what needs none.
    :raises ServiceUnavailableError: there is no web admin, or its port is not known.
    """
    own = (chosen.web_cert_file or chosen.cert_file) if chosen.web_tls else None
    return ServiceApi(_own_url(chosen), token, own)


def _given_token(file: Path | None) -> str:
    if file is not None:
        try:
            return read_secret(file, "--token-file").strip()
        except SecretFileError as error:
            raise ServiceUnavailableError(str(error)) from None
    return os.environ.get(TOKEN_NAME, "").strip()


def _needed(token: str) -> str:
    if not token:
        raise ServiceUnavailableError(f"--url requires a token: --token-file, or {TOKEN_NAME}")
    return token


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        shown = without_user_info(url)
        raise ServiceUnavailableError(f"--url {shown}: must be http:// or https:// with a host")
    if "@" in parts.netloc:
        raise ServiceUnavailableError("--url must have no user and password in it: use --token-file")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        print(f"warning: {url} is not encrypted: others may read the token", file=sys.stderr)
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_running(directory: Path) -> None:
    """Check that a service is running.

    :raises ServiceUnavailableError: no service uses the directory.
    """
    if directory.is_dir():
        try:
            with no_service(directory):
                pass
        except JournalError:
            return
    raise ServiceUnavailableError(
        f"the service is not running: nothing uses STATE_DIR {directory.absolute()}"
    )


def _own_url(chosen: Settings) -> str:
    """Return the URL of the web admin of this installation.

    :raises ServiceUnavailableError: there is no web admin, or its port is not known.
    """
    if chosen.web_listen:
        places = [found for each in chosen.web_listen if (found := host_and_port(each)) and found[1]]
        if not places:
            raise ServiceUnavailableError("WEB_LISTEN names no TCP port: use --url")
        host, port = places[0]
    elif chosen.web_port:
        host, port = chosen.web_host, chosen.web_port
    else:
        raise ServiceUnavailableError("WEB_PORT=0: this command needs the web admin, which is switched off")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    place = f"[{host}]" if ":" in host else host
    return f"{'https' if chosen.web_tls else 'http'}://{place}:{port}"


def _trust(own: Path | None) -> ssl.SSLContext:
    if own is None:
        return ssl.create_default_context()
    # The certificate itself is trusted, whatever name it is for.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(own)
    return context


def _told(error: urllib.error.HTTPError) -> str:
    """Return the service's error message, in one line."""
    try:
        told = json.loads(error.read(64 * 1024))["error"]
        field = f"{told['field']}: " if told.get("field") else ""
        return re.sub(r"\s+", " ", f"{field}{told['message']}")
    except (ValueError, KeyError, TypeError, AttributeError, OSError, http.client.HTTPException):
        return f"answered {error.code} {error.reason}"
