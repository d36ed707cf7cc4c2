"""``bssci broker-config DIR``: a complete configuration for mosquitto."""

from __future__ import annotations

import argparse
import secrets
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from bssci.certificates.mosquitto import SERVICE_USER, BrokerFiles, configuration
from bssci.certificates.provisioning import Provisioning
from bssci.cli.chosen import load_installation
from bssci.settings.rows import SettingsError
from bssci.system.files import make_directory, write_atomically
from bssci.system.shell import system_user


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", type=Path, help="where the files go")


def run(arguments: argparse.Namespace) -> int:
    """Write the files that are missing: people add users, rules and ports to those that are there."""
    chosen = load_installation()
    directory: Path = arguments.directory.absolute()
    provisioning = Provisioning(chosen.device_ca_file, chosen.ca_file)
    for made in provisioning.prepare(datetime.now(UTC)):
        print(f"{'created' if made.created else 'kept   '} {made.path}")
    make_directory(directory / "data", 0o700)
    files = BrokerFiles(
        directory,
        provisioning.ca_file.absolute(),
        provisioning.list_file.absolute(),
        chosen.cert_file.absolute(),
        chosen.key_file.absolute(),
    )
    for name, content in configuration(files, system_user()).items():
        _write(directory / name, content)
    passwords = directory / "passwords"
    if passwords.exists():
        print(f"kept    {passwords}")
    else:
        _make_passwords(passwords)
    print(f"Start it with: mosquitto -c {directory / 'mosquitto.conf'}")
    return 0


def _write(file: Path, content: bytes) -> None:
    if not file.exists():
        write_atomically(file, content, private=False)
        print(f"created {file}")
    elif file.read_bytes() == content:
        print(f"kept    {file}")
    else:
        print(f"kept    {file}, which has been changed; remove it to have it written anew")


def _make_passwords(file: Path) -> None:
    """Generate the service's password, print it once, and store its hash."""
    password = secrets.token_urlsafe(24)
    program = shutil.which("mosquitto_passwd")
    if program is None:
        print("mosquitto_passwd is not installed, so there are no passwords yet: on the broker's machine,")
        print(f"  mosquitto_passwd -c {file} {SERVICE_USER}")
        return
    write_atomically(file, f"{SERVICE_USER}:{password}\n".encode())
    try:
        subprocess.run([program, "-U", str(file)], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        file.unlink()  # it holds the password as it is
        raise SettingsError(f"{program} cannot make a hash of the password for {file}: {error}") from None
    print(f"created {file}")
    print(f"In .env: MQTT_USERNAME={SERVICE_USER} and MQTT_PASSWORD={password} (shown only once);")
    print("for SOURCES=mqtt the same as SOURCE_MQTT_USERNAME and SOURCE_MQTT_PASSWORD")
