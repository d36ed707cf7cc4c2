"""A real mosquitto starts with the configuration, and holds what it says."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bssci.certificates.bundles import make_authority, make_server
from bssci.certificates.mosquitto import BrokerFiles, Ports, configuration
from bssci.certificates.provisioned import Broker
from bssci.certificates.provisioning import Provisioning
from tests.support.running_service import free_ports

PATH = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
NOW = datetime.now(UTC)
NAME, OTHER = "f2-aabbccddee01", "f2-aabbccddee02"
PASSWORD = "a password"


def test_a_substitute_and_a_plus_stand_alone_in_their_level() -> None:
    paths = BrokerFiles(*[Path("/x")] * 5)
    for name, content in configuration(paths, "someone").items():
        if name.endswith(".acl"):
            lines = content.decode().splitlines()
            topics = [line.split()[-1] for line in lines if line.startswith(("pattern", "topic"))]
            assert topics
            for level in (level for topic in topics for level in topic.split("/")):
                assert level in ("+", "#", "%u") or not set(level) & set("+#%")


def test_nobody_is_let_in_without_a_name() -> None:
    text = configuration(BrokerFiles(*[Path("/x")] * 5), "someone")["mosquitto.conf"].decode()
    listeners = text.split("\nlistener ")[1:]
    assert len(listeners) == 3
    assert all("allow_anonymous false" in each and "acl_file" in each for each in listeners)


class House:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        ca, cert, key = (directory / name for name in ("ca_cert.pem", "cert.pem", "key.pem"))
        list(make_authority(ca, NOW))
        list(make_server(ca, cert, key, [], NOW))
        self.provisioning = Provisioning(directory / "devices" / "ca_cert.pem", ca)
        list(self.provisioning.prepare(NOW))
        self.ports = Ports(*free_ports(3))
        devices = self.provisioning
        self.files = BrokerFiles(directory, devices.ca_file, devices.list_file, cert, key)
        (directory / "data").mkdir()
        for name, content in configuration(self.files, getpass.getuser(), self.ports).items():
            (directory / name).write_bytes(content)
        (directory / "passwords").write_text(f"bssci:{PASSWORD}\n")
        subprocess.run(
            [shutil.which("mosquitto_passwd", path=PATH), "-U", directory / "passwords"], check=True
        )
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        program = shutil.which("mosquitto", path=PATH)
        log = self.directory / "log"
        with log.open("w") as out:
            self.process = subprocess.Popen([program, "-c", self.directory / "mosquitto.conf"], stderr=out)
        end = time.monotonic() + 10
        while " running" not in log.read_text():
            assert self.process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)

    def publish(self, name: str, topic: str, payload: str) -> int:
        """Publish as a device; the exit status."""
        directory = self.provisioning.directory_of(name)
        command = [
            "mosquitto_pub", "-h", "localhost", "-p", str(self.ports.devices), "-q", "1",
            "-t", topic, "-m", payload,
            "--cafile", directory / "ca_cert.pem", "--cert", directory / "device_cert.pem",
            "--key", directory / "device_key.pem", "-i", name,
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, timeout=15, check=False).returncode

    def listen(self, count: int) -> subprocess.Popen[str]:
        """Listen inside as the service does."""
        command = [
            "mosquitto_sub", "-p", str(self.ports.inside), "-u", "bssci", "-P", PASSWORD,
            "-t", "tele/#", "-t", "ready", "-C", str(count), "-W", "15", "-F", "%t %p",
        ]  # fmt: skip
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def say(self, *credentials: str) -> int:
        """Say inside, retained, that everything is ready; the exit status."""
        command = [
            "mosquitto_pub",
            "-p",
            str(self.ports.inside),
            "-r",
            "-t",
            "ready",
            "-m",
            "x",
            *credentials,
        ]
        return subprocess.run(command, capture_output=True, timeout=15, check=False).returncode


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    if shutil.which("mosquitto", path=PATH) is None or shutil.which("mosquitto_pub") is None:
        pytest.skip("needs mosquitto and its clients: apt-get install mosquitto mosquitto-clients")
    made = House(tmp_path)
    yield made
    made.stop()


@pytest.mark.parts
@pytest.mark.mosquitto
def test_a_device_speaks_under_its_own_name_only_until_it_is_revoked(house: House) -> None:
    for name in (NAME, OTHER):
        house.provisioning.add(name, Broker("localhost", house.ports.devices), NOW)
    house.start()
    assert house.say("-u", "bssci", "-P", PASSWORD) == 0
    assert house.say() != 0, "nobody without a password"
    with house.listen(2) as heard:
        assert heard.stdout is not None
        assert heard.stdout.readline().startswith("ready")
        house.publish(OTHER, f"tele/{NAME}/sensor-mode/J1/sensor-1", "stolen")
        assert house.publish(NAME, f"tele/{NAME}/sensor-mode/J1/sensor-1", "own") == 0
        assert heard.stdout.readline().split() == [f"tele/{NAME}/sensor-mode/J1/sensor-1", "own"]
    house.provisioning.revoke(OTHER, NOW)
    house.stop()
    house.start()
    assert house.publish(NAME, f"tele/{NAME}/x", "still") == 0
    assert house.publish(OTHER, f"tele/{OTHER}/x", "gone") != 0
