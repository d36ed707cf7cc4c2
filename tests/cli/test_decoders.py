from __future__ import annotations

import json
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest

from bssci.center.decoding import patience
from bssci.cli import decoders as module
from bssci.cli import main
from bssci.decoders.scripts import ScriptJob

GOOD = json.dumps(
    {
        "version": "1",
        "meta": {"vendor": "Acme", "name": "Thermometer"},
        "uplink": [{"payload": [{"name": "temp", "size": 8, "type": "int", "unit": "°C"}]}],
        "examples": [{"payload": "15", "readings": {"temperature": 21}}],
    }
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DECODER_DIR", raising=False)
    (tmp_path / "decoders").mkdir()
    (tmp_path / "decoders" / "thermo.json").write_text(GOOD)
    return tmp_path / "decoders"


def test_every_decoder_is_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decoders", "list"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "thermo@1\tthermo.json\tAcme Thermometer" in said
    assert "cayenne@1\tinstalled" in said
    (folder / "broken.json").write_text("{")
    assert main(["decoders", "list"]) == 1
    assert capsys.readouterr().err == "problem: broken.json, line 1: the file ends too early\n"


def test_examples_are_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decoders", "test"]) == 0
    assert capsys.readouterr().out == "thermo@1: 1 of 1 examples are right\n"
    (folder / "thermo.json").write_text(GOOD.replace("21", "22"))
    assert main(["decoders", "test", "thermo"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "thermo@1: 0 of 1 examples are right",
        "  line 1, 15: temperature: 22 expected, 21 read",
    ]
    assert main(["decoders", "test", "other"]) == 1
    assert capsys.readouterr().err == "error: there is no decoder file for 'other'\n"


def test_a_payload_is_tried(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decoders", "try", "thermo", "15"]) == 0
    assert capsys.readouterr().out == "bits   0 to   7  temp = 0x15\ntemperature = 21 °C\n"
    assert main(["decoders", "try", "cayenne", "01 67 00FF"]) == 0
    assert capsys.readouterr().out == "temperature_1 = 25.5 °C\n"
    assert main(["decoders", "try", str(folder / "thermo.json"), "1501"]) == 1
    assert capsys.readouterr().err.startswith("error: too_long: byte 1")


def test_a_fault_of_a_decoder_is_shown_with_its_place(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(payload: object, parameters: object) -> None:
        raise KeyError("channel")

    faulty = SimpleNamespace(name="faulty", version="1", decode=decode)
    monkeypatch.setattr(module, "_installed", lambda: ({"faulty": faulty}, []))
    assert main(["decoders", "try", "faulty", "15"]) == 1
    said = capsys.readouterr().err
    assert 'raise KeyError("channel")' in said
    assert said.endswith("error: fault: the decoder failed: KeyError\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing", "15"], "there is no decoder 'nothing'; available: "),
        (["thermo", "1"], "must be bytes in hexadecimal digits"),
        (["thermo", "15", "--parameters", "{"], "--parameters is not JSON at line 1"),
        (["thermo", "15", "--parameters", "3"], "--parameters must be an object"),
    ],
)
def test_what_cannot_be_tried(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decoders", "try", *arguments]) == 1
    assert said in capsys.readouterr().err


def test_a_file_is_imported(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other.json").write_text(GOOD)
    assert main(["decoders", "--directory", "new", "import", "other.json"]) == 0
    assert capsys.readouterr().out == "created new/other.json\nother@1: 1 of 1 examples are right\n"
    assert main(["decoders", "--directory", "new", "import", "other.json"]) == 0
    assert capsys.readouterr().out.startswith("replaced new/other.json\n")
    assert (tmp_path / "new" / "other.json").read_text() == GOOD
    (tmp_path / "broken.json").write_text("{")
    assert main(["decoders", "import", "broken.json"]) == 1
    assert capsys.readouterr().err == "error: line 1: the file ends too early\n"
    (tmp_path / "cayenne.json").write_text(GOOD)
    assert main(["decoders", "import", "cayenne.json"]) == 1
    assert "built-in" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["thermo.json"]
    assert main(["decoders", "import", "other.json", "--name", "acme-thermo"]) == 0
    assert "acme-thermo@1: " in capsys.readouterr().out
    assert (folder / "acme-thermo.json").exists()
    assert main(["decoders", "import", "other.json", "--name", "../x"]) == 1
    assert not (folder.parent / "x.json").exists()


def test_a_script_that_hangs_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Event()
    monkeypatch.setattr(patience, "PATIENCE", 0.01)
    monkeypatch.setattr(ScriptJob, "run", lambda job: held.wait())
    (folder / "endless.js").write_text("function Decoder(bytes, port) { return {}; }")
    assert main(["decoders", "list"]) == 1
    assert "endless.js: it does not come back within" in capsys.readouterr().err
    held.set()
    for thread in set(patience._given_up):
        thread.join()
