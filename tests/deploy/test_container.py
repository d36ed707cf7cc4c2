"""The image and the compose file: what can be seen without an engine, and all of it where there is one."""

from __future__ import annotations

import http.server
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.deploy.programs import program, run
from tests.support.running_service import free_ports

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
INSTRUCTIONS = {
    "ARG", "FROM", "RUN", "COPY", "WORKDIR", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK",
    "ENTRYPOINT", "CMD",
}  # fmt: skip
PATIENCE = 60.0
"""s that anything may take on a busy machine"""
BUILD_TIME = 600


class Instruction(NamedTuple):
    """One of a Dockerfile.

    :ivar stage: number of the FROM that it stands below, from 0; -1 before the first.
    :ivar flags: as ``--from=build``, without the dashes.
    """

    stage: int
    name: str
    flags: dict[str, str]
    words: list[str]

    @property
    def command(self) -> list[str]:
        """Of an instruction in exec form."""
        found: list[str] = json.loads(" ".join(self.words))
        return found


@pytest.fixture(scope="module")
def dockerfile() -> list[Instruction]:
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    stage, found = -1, []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, *words = line.split()
        stage += name == "FROM"
        flags = {}
        while words and words[0].startswith("--"):
            flag, _, value = words.pop(0).removeprefix("--").partition("=")
            flags[flag] = value
        found.append(Instruction(stage, name, flags, words))
    return found


def only(dockerfile: list[Instruction], name: str) -> Instruction:
    """That of the image itself: of the last stage."""
    [found] = [each for each in dockerfile if each.name == name and each.stage == dockerfile[-1].stage]
    return found


def sources(dockerfile: list[Instruction], stage: int) -> list[str]:
    """What a stage takes from the project."""
    copies = [each for each in dockerfile if each.name == "COPY" and each.stage == stage]
    return [source for each in copies if "from" not in each.flags for source in each.words[:-1]]


def test_the_image_is_of_a_user_without_rights_and_keeps_all_in_one_volume(
    dockerfile: list[Instruction],
) -> None:
    assert {each.name for each in dockerfile} <= INSTRUCTIONS
    user, _, group = only(dockerfile, "USER").words[0].partition(":")
    assert int(user) >= 10000 and int(group) >= 10000
    [directory] = only(dockerfile, "VOLUME").command
    assert only(dockerfile, "WORKDIR").words == [directory]
    assert only(dockerfile, "CMD").command == ["twistd", "--nodaemon", "--pidfile=", "bssci"]
    assert only(dockerfile, "ENTRYPOINT").command == ["entrypoint"]
    check = only(dockerfile, "HEALTHCHECK")
    assert check.words[0] == "CMD" and json.loads(check.words[1]) == ["healthy"]
    assert {"interval", "timeout", "start-period", "retries"} == check.flags.keys()


def test_what_the_image_takes_is_there_and_nothing_else_is_sent_to_the_engine(
    dockerfile: list[Instruction],
) -> None:
    wanted = {source.rstrip("/") for stage in (0, 1) for source in sources(dockerfile, stage)}
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    sent = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    assert "*" in ignore
    for source in wanted:
        assert (ROOT / source).exists(), source
        assert any(source == each or source.startswith(f"{each}/") for each in sent), source
    for each in sent:
        assert any(source == each or source.startswith(f"{each}/") for source in wanted), each
    assert not sent & {"certs", "data", "endpoints.json", ".env", "tests", "."}
    for script in ("entrypoint", "healthy"):
        assert os.access(DEPLOY / "container" / script, os.X_OK)


@pytest.mark.parts
def test_the_build_makes_a_whole_package_and_prepares_what_a_start_cannot_write(
    dockerfile: list[Instruction], tmp_path: Path
) -> None:
    source, site = tmp_path / "src", tmp_path / "site"
    source.mkdir()
    for name in sources(dockerfile, 0):
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "dropin.cache")
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source)
    code = f"import setuptools.build_meta as back_end; back_end.build_wheel({str(tmp_path)!r})"
    run(sys.executable, "-c", code, cwd=source)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
    libraries = [str(site), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(libraries), "PYTHONDONTWRITEBYTECODE": ""}
    for each in dockerfile:
        if each.name == "RUN" and each.words[0].startswith("["):
            interpreter, *arguments = each.command
            assert interpreter == "/opt/bssci/bin/python"
            # -S: not the editable install of this environment.
            run(sys.executable, "-S", *arguments, env=environment, cwd=tmp_path)
    templates = site / "bssci" / "web" / "templates"
    compiled = list((templates / "__pycache__").glob("*.jinja"))
    assert len(compiled) == len(list(templates.glob("*.html"))) > 0
    caches = [site / folder / "plugins" / "dropin.cache" for folder in ("bssci", "twisted")]
    written = [cache.stat().st_mtime_ns for cache in caches]
    listing = "import sys; from twisted.scripts.twistd import run; sys.argv = ['twistd', '--help']; run()"
    help_text = run(sys.executable, "-S", "-c", listing, env=environment, cwd=tmp_path)
    assert "bssci" in help_text.split()
    assert [cache.stat().st_mtime_ns for cache in caches] == written


@pytest.fixture
def container(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a container in which ``bssci`` and ``twistd`` tell how they were called."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bssci", "twistd"):
        tool = tools / name
        tool.write_text(f'#!/bin/sh\necho "{name} $*"\nenv | grep -E "^(MQTT|POSTGRES)_" | sort || true\n')
        tool.chmod(0o755)
    yield {"PATH": f"{tools}:/usr/bin:/bin"}


def enter(environment: dict[str, str], *command: str) -> str:
    return run(DEPLOY / "container" / "entrypoint", *command, env=environment)


@pytest.mark.parts
def test_the_entrypoint_has_no_reload_end_the_start(container: dict[str, str], tmp_path: Path) -> None:
    for name in ("twistd", "bssci"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\ngrep SigIgn /proc/$$/status\n")
    ignored = {
        name: int(run(DEPLOY / "container" / "entrypoint", name, env=container).split()[1], 16)
        for name in ("twistd", "bssci")
    }
    bit = 1 << signal.SIGHUP - 1
    assert ignored["twistd"] & bit and not ignored["bssci"] & bit


@pytest.mark.parts
def test_the_entrypoint_leaves_files_with_secrets_to_the_service(container: dict[str, str]) -> None:
    # The sink postgres reads its own at each connection, so that a changed password needs no restart.
    files = {"MQTT_PASSWORD_FILE": "/run/secrets/mqtt", "POSTGRES_PASSWORD_FILE": "/run/secrets/postgres"}
    assert enter(container | files, "twistd", "--nodaemon", "bssci").splitlines() == [
        "twistd --nodaemon bssci",
        *(f"{name}={value}" for name, value in files.items()),
    ]


@pytest.mark.parts
def test_the_entrypoint_makes_certificates_only_where_asked(container: dict[str, str]) -> None:
    asked = container | {"BSSCI_INIT": "yes", "BSSCI_INIT_HOSTS": "sc.example 192.0.2.1"}
    assert enter(asked, "twistd", "-n").splitlines() == [
        "bssci init --host sc.example --host 192.0.2.1",
        "twistd -n",
    ]
    assert enter(asked, "bssci", "check") == "bssci check\n"
    assert enter(container, "twistd", "-n") == "twistd -n\n"


class Healthz(http.server.BaseHTTPRequestHandler):
    """Answers as the service does, with the status that the server has."""

    def do_GET(self) -> None:
        self.send_response(self.server.status if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


@pytest.mark.parts
@pytest.mark.parametrize(("status", "exit_status"), [(200, 0), (503, 1)])
def test_the_health_check_asks_the_web_admin(status: int, exit_status: int) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Healthz) as server:
        server.status = status
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert health(WEB_PORT=str(server.server_port)) == exit_status
        thread.join(PATIENCE)


@pytest.mark.parts
def test_the_health_check_asks_the_base_stations_port_where_there_is_no_web_admin() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert health(WEB_PORT="0", LISTEN_PORT=f"{port},1") == 0
    assert health(WEB_PORT="0", LISTEN_PORT=str(port)) == 1


@pytest.mark.parts
@pytest.mark.parametrize(
    ("web_listen", "exit_status"),
    [
        ("tcp:{port}:interface=127.0.0.1", 0),
        ("tcp:{port}:interface=0.0.0.0 tcp:1", 0),
        ("unix:{unix}", 0),
        ("unix:{unix}.other", 1),
        ("tcp:1", 1),
        ("systemd:domain=INET:index=1", 0),
    ],
)
def test_the_health_check_knows_descriptions_of_endpoints(
    tmp_path: Path, web_listen: str, exit_status: int
) -> None:
    class UnixServer(http.server.HTTPServer):
        address_family = socket.AF_UNIX

        def server_bind(self) -> None:
            self.socket.bind(self.server_address)

    with (
        http.server.HTTPServer(("127.0.0.1", 0), Healthz) as tcp,
        UnixServer(str(tmp_path / "web"), Healthz) as unix,
    ):
        served = unix if "unix:{unix}" in web_listen and ".other" not in web_listen else tcp
        for server in (tcp, unix):
            server.status = 200
        thread = threading.Thread(target=served.handle_request, daemon=True)
        thread.start()
        places = {"port": tcp.server_port, "unix": tmp_path / "web"}
        assert health(WEB_LISTEN=web_listen.format(**places)) == exit_status


@pytest.mark.parts
def test_the_health_check_asks_the_first_place_of_base_stations() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert health(WEB_PORT="0", LISTEN=f"mtls:{port}:interface=127.0.0.1;tcp:1") == 0
    assert health(WEB_PORT="0", LISTEN=f"mtls:{port}") == 1


@pytest.mark.parts
def test_the_health_check_heeds_what_the_web_admin_wrote_to_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"# caf\xe9\nWEB_PORT=0\nLISTEN_PORT='1'\n")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        # Before the restart, which that waits for, and where the environment fixes the port.
        assert health(tmp_path, WEB_PORT="0", LISTEN_PORT=str(port)) == 0
        (tmp_path / ".env").write_text(f"WEB_PORT=0\nLISTEN_PORT='{port}'\n")
        assert health(tmp_path, PATH="/usr/bin") == 0
    assert health(tmp_path, WEB_PORT="0") == 1


def health(directory: Path | None = None, **environment: str) -> int:
    return subprocess.run(
        [sys.executable, DEPLOY / "container" / "healthy"],
        cwd=directory or DEPLOY,
        env=environment,
        stdout=subprocess.DEVNULL,
        check=False,
    ).returncode


@pytest.mark.mosquitto
@pytest.mark.parts
def test_the_broker_lets_in_only_who_has_the_secret(tmp_path: Path) -> None:
    publish = program("mosquitto_pub", "mosquitto-clients")
    (tmp_path / "secret").write_text("opensesame\n")
    [port] = free_ports(1)
    text = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text()
    for example, here in (
        ("listener 1883", f"listener {port} 127.0.0.1\nuser root"),
        ("/mosquitto/data/", f"{tmp_path}/"),
    ):
        assert example in text
        text = text.replace(example, here)
    (tmp_path / "mosquitto.conf").write_text(text)
    environment = os.environ | {
        "PATH": f"{os.environ['PATH']}:/usr/sbin",
        "MQTT_SECRET_FILE": str(tmp_path / "secret"),
        "MQTT_PASSWORDS": str(tmp_path / "passwords"),
        "MQTT_CONFIGURATION": str(tmp_path / "mosquitto.conf"),
    }
    broker = subprocess.Popen(
        ["/bin/sh", DEPLOY / "mosquitto" / "start"], env=environment, stderr=subprocess.PIPE, text=True
    )
    assert broker.stderr is not None
    try:
        for line in broker.stderr:
            if line.rstrip().endswith(" running"):
                break
        assert "opensesame" not in (tmp_path / "passwords").read_text()
        message = [publish, "-p", str(port), "-t", "x", "-m", "y"]
        run(*message, "-u", "bssci", "-P", "opensesame")
        for stranger in ([], ["-u", "bssci", "-P", "guess"]):
            done = subprocess.run([*message, *stranger], capture_output=True, text=True, check=False)
            assert "not authori" in done.stderr.lower()
    finally:
        broker.terminate()
        broker.communicate(timeout=PATIENCE)


def compose() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def test_the_compose_file_gives_the_service_no_rights_and_secrets_as_files() -> None:
    services, secrets = compose()["services"], compose()["secrets"]
    service = services["bssci"]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    build = service["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).samefile(DEPLOY / "Dockerfile")
    # The web admin and the broker are for this machine; base stations come from outside.
    ports = [port for each in services.values() for port in each.get("ports", [])]
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == ["16018:16018"]
    for name, each in services.items():
        assert set(each.get("secrets", [])) <= secrets.keys(), name
        for setting, value in each.get("environment", {}).items():
            assert not setting.endswith(("PASSWORD", "SECRET")), setting
            if setting.endswith("PASSWORD_FILE"):
                assert value.removeprefix("/run/secrets/") in each["secrets"]
        for volume in each.get("volumes", []):
            place = volume.partition(":")[0]
            is_there = (DEPLOY / place).is_file() if place.startswith(".") else place in compose()["volumes"]
            assert is_there, volume
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert all(str(each["file"]).startswith("./secrets/") for each in secrets.values())
    assert "/deploy/secrets/" in ignored


@pytest.mark.parts
def test_compose_understands_the_file(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    file = tmp_path / "deploy" / "compose.yaml"
    command = ["docker", "compose"]
    if not (shutil.which("docker") and answers(*command, "version")):
        command = [program("docker-compose", "docker-compose")]
        # The first compose, which Debian 12 has, does not know the project's name.
        file.write_text(file.read_text().replace("\nname: bssci\n", "\n"))
    (tmp_path / "deploy" / "secrets").mkdir()
    for secret in ("mqtt", "postgres"):
        (tmp_path / "deploy" / "secrets" / secret).write_text("x")
    understood = yaml.safe_load(run(*command, "--file", str(file), "--profile", "postgres", "config"))
    assert {"bssci", "mosquitto", "postgres"} == understood["services"].keys()
    assert understood["services"]["bssci"]["environment"]["SINKS"] == "mqtt,log"


def answers(*command: str) -> bool:
    """Whether a command succeeds."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def image() -> Iterator[tuple[str, str]]:
    """The engine, and the image that it built."""
    engines = [name for name in ("docker", "podman") if shutil.which(name)]
    running = [name for name in engines if answers(name, "info")]
    if not running:
        pytest.skip(f"image not built: no container engine runs here (docker, podman; installed: {engines})")
    engine, tag = running[0], "bssci-test"
    command = [engine, "build", "--file", "deploy/Dockerfile", "--tag", tag, "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=BUILD_TIME)
    if done.returncode != 0 and "python:3" in done.stderr and "pull" in done.stderr.lower():
        pytest.skip(f"{engine} cannot get the base image, so the image is not built: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stdout + done.stderr
    yield engine, tag
    subprocess.run([engine, "rmi", "--force", tag], capture_output=True, check=False)


@pytest.mark.parts
@pytest.mark.timeout(BUILD_TIME + 120)
def test_the_image_serves_on_a_read_only_root(image: tuple[str, str]) -> None:
    engine, tag = image
    name = f"bssci-test-{os.getpid()}"
    options = shlex.split("--detach --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges")
    run(engine, "run", *options, "--name", name, "--env", "BSSCI_INIT=yes", "--env", "SINKS=log", tag)
    try:
        end = time.monotonic() + 60
        while not answers(engine, "exec", name, "healthy"):
            assert time.monotonic() < end, run(engine, "logs", name)
            time.sleep(0.5)
        log = run(engine, "logs", name)
        assert "password" in log and "Unable to write" not in log and "Traceback" not in log
        assert run(engine, "exec", name, "id", "-u").splitlines()[-1] == "10001"  # podman may warn before it
        assert "certificates: valid until" in run(engine, "exec", name, "bssci", "check")
        run(engine, "stop", "--time", "10", name)
        assert "service stopped" in run(engine, "logs", name)
    finally:
        run(engine, "rm", "--force", "--volumes", name)
