"""A real mosquitto for tests, on a port of its own, that can be stopped, killed and started again.

Mark tests that use it with ``pytest.mark.mosquitto``; they are skipped where
the Debian package ``mosquitto`` is missing::

    from tests.mqtt.mosquitto import mosquitto

    @pytest.mark.mosquitto
    def test_something(mosquitto):
        broker = mosquitto(users={"center": "secret"})
        broker.port
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.running_service import free_ports
from tests.support.tls import TLSFiles

ATTEMPTS = 5
"""ports tried, for another process may be quicker than we"""
_PATH = os.environ["PATH"] + os.pathsep + "/usr/sbin"


class Mosquitto:
    """One broker on 127.0.0.1, configured in ``directory``, that forgets everything when it ends.

    :param users: passwords by name; without it, everybody may come in
    :param tls: certificates; clients must show one of the same CA
    :param websockets: speak MQTT over websockets only
    :param acl: lines of an access list; without it, everybody may do everything
    :param more: other lines of the configuration
    """

    host = "127.0.0.1"

    def __init__(
        self,
        directory: Path,
        *,
        users: Mapping[str, str] | None = None,
        tls: TLSFiles | None = None,
        websockets: bool = False,
        acl: Sequence[str] = (),
        more: Sequence[str] = (),
    ) -> None:
        self.port = 0
        self._directory = directory
        self._users = users
        self._tls = tls
        self._websockets = websockets
        self._acl = acl
        self._more = more
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it; the first time on a free port, afterwards on the same."""
        if self.port:
            self._run()
            return
        for attempt in range(ATTEMPTS):
            [self.port] = free_ports(1)
            try:
                self._run()
            except RuntimeError:
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                return

    def stop(self) -> None:
        """End it as an administrator does."""
        self._end("terminate")

    def kill(self) -> None:
        """End it as a power cut does, except that the sockets are closed."""
        self._end("kill")

    def change_acl(self, *acl: str) -> None:
        """Change the access list as an administrator does; connections stay."""
        self._acl = acl
        self._write_configuration()
        self._process.send_signal(signal.SIGHUP)

    def _end(self, how: str) -> None:
        process, self._process = self._process, None
        if process is not None:
            getattr(process, how)()
            process.wait(10)
            process.stderr.close()

    def _run(self) -> None:
        """:raises RuntimeError: with mosquitto's own words if it does not run."""
        program = shutil.which("mosquitto", path=_PATH)
        self._process = subprocess.Popen(
            [program, "-c", str(self._write_configuration())], stderr=subprocess.PIPE, text=True
        )
        said = []
        for line in self._process.stderr:
            said.append(line)
            if line.rstrip().endswith(" running"):
                return
        self.stop()
        raise RuntimeError("mosquitto does not run:\n" + "".join(said))

    def _write_configuration(self) -> Path:
        lines = [
            # It would give up the rights to read the files of a test that runs as root.
            "user root",
            "persistence false",
            "log_dest stderr",
            "log_type error",
            "log_type notice",
            "log_type information",
            "connection_messages false",
        ]
        if self._websockets:
            # mosquitto 2.0 does not start with nothing but websockets.
            lines += [f"listener 0 {self._directory / 'socket'}"]
        lines += [f"listener {self.port} {self.host}"]
        if self._websockets:
            lines += ["protocol websockets"]
        if self._users is None:
            lines.append("allow_anonymous true")
        else:
            lines += ["allow_anonymous false", f"password_file {self._write_passwords(self._users)}"]
        if self._tls is not None:
            lines += [
                f"cafile {self._tls.ca}",
                f"certfile {self._tls.certificate}",
                f"keyfile {self._tls.key}",
                "require_certificate true",
            ]
        if self._acl:
            rules = self._directory / "acl"
            rules.write_text("".join(f"{line}\n" for line in self._acl))
            rules.chmod(0o600)
            lines.append(f"acl_file {rules}")
        lines += self._more
        configuration = self._directory / "mosquitto.conf"
        configuration.write_text("\n".join(lines) + "\n")
        return configuration

    def _write_passwords(self, users: Mapping[str, str]) -> Path:
        passwords = self._directory / "passwords"
        passwords.write_text("".join(f"{name}:{password}\n" for name, password in users.items()))
        passwords.chmod(0o600)
        program = shutil.which("mosquitto_passwd", path=_PATH)
        subprocess.run([program, "-U", str(passwords)], check=True)
        return passwords


@pytest.fixture
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Mosquitto]]:
    """Starts a :class:`Mosquitto` with the given options each time it is called; ends them all."""
    brokers: list[Mosquitto] = []

    def start(**options) -> Mosquitto:
        broker = Mosquitto(tmp_path_factory.mktemp("mosquitto"), **options)
        brokers.append(broker)
        broker.start()
        return broker

    yield start
    for broker in brokers:
        broker.kill()
