from __future__ import annotations

import json
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "asyncapi.json"
PARSER = "@asyncapi/parser@3.6.6"
PARSE = """
const { Parser } = require("@asyncapi/parser");
const text = require("fs").readFileSync(process.argv[1], "utf8");
new Parser().parse(text).then(({ document, diagnostics }) => {
  console.log(JSON.stringify({ channels: document ? document.channels().all().length : 0,
    wrong: diagnostics.filter((each) => each.severity < 2).map((each) => each.message) }));
});
"""


def test_the_committed_document_is_that_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_module("bssci.cli.asyncapi_document", run_name="__main__")
    assert capsys.readouterr().out == DOCUMENT.read_text(), "make docs"


@pytest.mark.parts
@pytest.mark.timeout(300)
def test_the_document_is_valid_for_the_official_parser(tmp_path: Path) -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("npm is not installed")
    install = [
        npm,
        "install",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--prefix",
        str(tmp_path),
        PARSER,
    ]
    if subprocess.run(install, cwd=tmp_path, check=False, capture_output=True, timeout=200).returncode:
        pytest.skip("npm install failed: the registry cannot be reached")
    for text in (DOCUMENT.read_text(), DOCUMENT.read_text().replace('"action": "send"', '"action": "shout"')):
        (tmp_path / "asyncapi.json").write_text(text)
        run = subprocess.run(
            [node, "-e", PARSE, "asyncapi.json"], cwd=tmp_path, check=True, capture_output=True, timeout=60
        )
        said = json.loads(run.stdout)
        if "shout" in text:
            assert said["wrong"], "a parser that finds nothing proves nothing"
        else:
            assert (said["wrong"], said["channels"]) == ([], len(json.loads(text)["channels"]))
