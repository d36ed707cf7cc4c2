"""The steps of docs/plugins.md, copied one by one into an empty folder, give a running sink."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import msgspec
import pytest
from twisted.python.reflect import namedAny

from bssci import model
from bssci.center.interfaces import ICenter
from bssci.model import AnyEvent, DownlinkRequest
from tests.support.service import ServiceProcess, send, until

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
SENSOR, STATION = 0x70B3D56770110001, 0xCAFE00000000A001
BLOCK = re.compile(r"^```\w+\n# ([\w./]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


EXAMPLES = {"bssci.plugins.readings", "bssci.plugins.tank_level"}
NAME = re.compile(r"\b(bssci(?:\.\w+)+)")


@pytest.mark.parametrize("name", sorted(set(NAME.findall(PAGE)) - EXAMPLES))
def test_every_name_of_the_package_is_there(name: str) -> None:
    assert namedAny(name) is not None


def call(*command: str | Path, cwd: Path, path: list[Path]) -> str:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The folder that the page's package is installed in."""
    package, installed = tmp_path / "bssci-readings", tmp_path / "installed"
    files = dict(BLOCK.findall(PAGE))
    assert set(files) == {"pyproject.toml", "bssci/plugins/readings.py", "test_readings.py", ".env"}
    for name, text in files.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text, encoding="utf-8")
    options = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", installed)
    call(sys.executable, "-m", "pip", "install", *options, package, cwd=tmp_path, path=[])
    return installed


@pytest.fixture
def service(tmp_path: Path, installed: Path) -> Iterator[ServiceProcess]:
    service = ServiceProcess(tmp_path / "service", SINKS="log,readings", READINGS_FILE="values.txt")
    service.extra_path.append(installed)
    yield service
    service.end()


@pytest.mark.parts
async def test_the_steps_of_the_page_give_a_sink_that_is_tested_and_runs(
    tmp_path: Path, installed: Path, service: ServiceProcess
) -> None:
    said = call(
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "test_readings.py",
        cwd=tmp_path / "bssci-readings",
        path=[installed, ROOT],
    )  # fmt: skip
    assert re.search(r"\d\d passed", said), said
    await service.start()
    station = service.station(STATION)
    try:
        await station.when_connected()
        await send(station, SENSOR, 7)
        values = service.directory / "values.txt"
        await until(lambda: values.exists() and values.read_text().endswith("\n"))
        assert re.fullmatch(rf"\w+;{SENSOR:016X};7;\n", values.read_text())
    finally:
        await station.stop()
        await service.stop()


def documented(name: str) -> set[str]:
    """What the row of a table says of an event or a part of one."""
    [row] = re.findall(rf"^\| `{name}`[^|]*\|(.*)\|$", PAGE, re.MULTILINE)
    return set(re.findall(r"`(\w+)`", row))


@pytest.mark.parametrize("kind", [*get_args(AnyEvent), model.Reception, model.Decoded, model.Reading])
def test_every_field_of_every_event_is_told(kind: type) -> None:
    fields = {field.name for field in msgspec.structs.fields(kind)} - {"at"}
    assert fields <= documented(kind.__name__)


def test_no_other_field_is_told() -> None:
    everything = {name for name in dir(model) if name[0].isupper()}
    for kind in get_args(AnyEvent):
        words = documented(kind.__name__) - everything
        values = {word for word in words if not hasattr(kind, word)}
        assert values <= {
            "open", "closed", "error", "warning",
            "attached", "detached", "attach_failed", "detach_failed", "received", "sent", "done", "failed",
            "online", "degraded", "offline", "code", "message", "field",
        }, kind  # fmt: skip


def test_every_member_of_the_center_is_told() -> None:
    told = set(re.findall(r"`center\.(\w+)[(`]", PAGE))
    members = {name for name in vars(ICenter) if not name.startswith("_")} | set(ICenter.__annotations__)
    assert told == members


async def test_the_example_of_a_downlink_queues_one() -> None:
    class Center:
        async def queue_downlink(self, request: DownlinkRequest) -> SimpleNamespace:
            return SimpleNamespace(queue_id=request)

    [code] = re.findall(r"^```python\n(from twisted.internet.defer.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    assert await names["on_request"](Center()) == DownlinkRequest(
        end_point_eui=model.parse_eui("70B3D56770110001"), data=(b"\x01",), expires_in=3600.0
    )


def test_the_example_of_a_decoder_passes_its_tests_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    path = ROOT / "examples" / "bssci-tank-decoder" / "bssci" / "plugins" / "tank_level.py"
    name = "bssci.plugins.tank_level"
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, name, module)
    [code] = re.findall(r"^```python\n(from bssci.decoders.testing.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    kit = names["TestTank"]()
    tests = [getattr(kit, each) for each in dir(kit) if each.startswith("test_")]
    assert len(tests) > 5
    for test in tests:
        test()
