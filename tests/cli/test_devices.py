"""``bssci devices import``: what the service is asked, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bssci.cli import main
from bssci.cli.service_api import RefusedError


class Service:
    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str, Any]] = []

    def ask(self, method: str, path: str, body: object = None) -> Any:
        self.asked.append((method, path, body))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def serve(monkeypatch: pytest.MonkeyPatch, directory: Path, answer: Any) -> Service:
    service = Service(answer)

    @contextmanager
    def given(*_: Any) -> Iterator[Service]:
        yield service

    monkeypatch.chdir(directory)
    monkeypatch.setattr("bssci.cli.devices.service_api", given)
    (directory / "tables.json").write_text('{"Pin": []}')
    return service


DONE = {"models": ["a"], "devices": ["x", "y"], "empty_pins": 3, "errors": ["pin 5: has no place"]}


def test_a_file_is_imported_and_what_is_left_out_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service = serve(monkeypatch, tmp_path, DONE)
    assert main(["devices", "import", "tables.json"]) == 0
    assert service.asked == [("POST", "/api/devices/import", {"Pin": []})]
    said = capsys.readouterr()
    assert said.out == "entered 2 devices and 1 model; 3 pins without a device\n"
    assert said.err == "skipped: pin 5: has no place\n"
    assert main(["devices", "import", "tables.json", "--dry-run"]) == 0
    assert service.asked[1][1] == "/api/devices/import?dry_run=1"
    assert capsys.readouterr().out.startswith("would enter 2 devices")


def test_what_is_refused_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(monkeypatch, tmp_path, RefusedError(422, "the table pin must be a list of rows"))
    assert main(["devices", "import", "tables.json"]) == 1
    assert capsys.readouterr().err == "error: the table pin must be a list of rows\n"
    (tmp_path / "tables.json").write_text("{")
    assert main(["devices", "import", "tables.json"]) == 1
    assert capsys.readouterr().err.startswith("error: tables.json is not JSON at line")
