"""A wheel, an sdist and an editable install each give a working ``twistd bssci``."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from bssci import __version__

ROOT = Path(__file__).parent.parent
SOURCES = (
    "setup.cfg", "setup.py", "bssci.pth", "pyproject.toml", "MANIFEST.in", "README.md", "CHANGELOG.md",
    "LICENSE", "Makefile", "bssci", "decoders", "twisted", "deploy",
)  # fmt: skip
WHERE = (
    "import importlib.resources, bssci\n"
    "print(bssci.__file__, *(importlib.resources.files('bssci.journal.sqlite') / 'schema').iterdir())"
)
RELOADED_AT_ONCE = "import os, signal; os.kill(os.getpid(), signal.SIGHUP)"
TWISTD = "import sys; from twisted.scripts.twistd import run; sys.argv[0] = 'twistd'; run()"

pytestmark = [pytest.mark.parts, pytest.mark.timeout(180)]


def call(*command: str | Path, cwd: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(kind: str, source: Path, target: Path) -> Path:
    """A wheel or an sdist by the build back end itself: no isolation, no network."""
    code = f"import sys, setuptools.build_meta as back_end; print(back_end.build_{kind}(sys.argv[1]))"
    return target / call(sys.executable, "-c", code, target, cwd=source).splitlines()[-1]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, so that building leaves nothing in the project."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "dropin.cache"))
        elif source.exists():
            shutil.copy(source, copy)
    return copy


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", checkout, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", checkout, tmp_path_factory.mktemp("sdist"))


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment that has what this one has, except the project.

    Folders that a .pth file names are searched, but their own .pth files, such as that of an editable
    install, are not read.
    """
    call(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    site = call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path)
    libraries = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    (Path(site.strip()) / "libraries.pth").write_text("\n".join(libraries))
    return python


def install(python: Path, *what: str | Path) -> None:
    options = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation")
    call(sys.executable, "-m", "pip", "--python", python, "install", *options, *what, cwd=python.parent)


def works(python: Path, origin: Path) -> None:
    """From a directory of its own, so that nothing is found by accident."""
    directory = python.parent.parent / "empty"
    directory.mkdir()
    found = call(python, "-c", WHERE, cwd=directory).split()
    assert Path(found[0]).is_relative_to(origin) and found[1].endswith(".sql")
    assert "bssci" in call(python, "-c", TWISTD, "--help", cwd=directory).split()
    assert "--listen-port" in call(python, "-c", TWISTD, "bssci", "--help", cwd=directory)
    assert "station-cert" in call(python.parent / "bssci", "--help", cwd=directory)
    # A process whose first line of Python is this, as it would be twistd's own.
    call(python, "-c", RELOADED_AT_ONCE, "twistd", "-n", "bssci", cwd=directory)
    call(python.parent / "bssci", "init", cwd=directory)
    provide = "import pathlib, bssci.cli.demo_decoders as d; d.provide(pathlib.Path('decoders'))"
    call(python, "-c", provide, cwd=directory)
    tried = call(python.parent / "bssci", "decoders", "test", cwd=directory)
    assert "water-meter@1.0: 4 of 4 examples are right" in tried


def record(wheel: Path) -> set[str]:
    """Each file of a wheel, with the sum over its content."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/RECORD")]
        return set(archive.read(name).decode().splitlines())


def test_an_installed_wheel_works(wheel: Path, environment: Path, tmp_path: Path) -> None:
    install(environment, wheel)
    works(environment, tmp_path / "venv")


def test_an_sdist_makes_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(sdist, tmp_path / "unpacked")
    (source,) = (tmp_path / "unpacked").iterdir()
    assert record(build("wheel", source, tmp_path)) == record(wheel)


def test_a_wheel_holds_nothing_of_an_earlier_build(checkout: Path, wheel: Path, tmp_path: Path) -> None:
    """An upgrade is built where the version before it was."""
    left = checkout / "build" / "lib" / "bssci" / "since_removed.py"
    assert left.parent.is_dir()
    left.touch()
    assert record(build("wheel", checkout, tmp_path)) == record(wheel)


def test_an_editable_install_works(checkout: Path, environment: Path) -> None:
    install(environment, "--editable", checkout)
    works(environment, checkout)


def test_a_wheel_says_what_it_is_and_under_which_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (found,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        metadata = message_from_bytes(archive.read(found))
    assert [name for name in names if name.endswith("/LICENSE")]
    assert metadata["Name"] == "bssci" and metadata["Version"] == __version__
    assert metadata["License"] == "Apache-2.0" and metadata["License-File"] == "LICENSE"
    assert metadata["Requires-Python"] == ">=3.11"
    for field in ("Author", "Summary", "Keywords"):
        assert metadata[field], field
    classifiers = metadata.get_all("Classifier")
    assert {f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13, 14)} <= set(classifiers)


def test_an_sdist_holds_what_an_operator_needs(checkout: Path, sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    deploy = {str(path.relative_to(checkout)) for path in (checkout / "deploy").rglob("*") if path.is_file()}
    assert deploy and {"LICENSE", "CHANGELOG.md", "README.md", "Makefile"} | deploy <= names


def test_the_version_stands_in_one_place() -> None:
    config = configparser.RawConfigParser()
    config.read(ROOT / "setup.cfg")
    assert config["metadata"]["version"] == "attr: bssci.__version__"
    assert "version" not in tomllib.loads((ROOT / "pyproject.toml").read_text()).get("project", {})
    assert f"## {__version__}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_every_package_is_listed() -> None:
    config = configparser.RawConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    present = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "bssci").rglob("*.py")}
    assert listed == present | {"twisted.plugins"}


def test_twisted_plugins_is_not_made_a_package() -> None:
    assert list((ROOT / "twisted").rglob("__init__.py")) == []
