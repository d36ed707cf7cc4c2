from __future__ import annotations

import json
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.npm import node_modules

DOCUMENT = Path(__file__).parents[2] / "docs" / "asyncapi.json"
PACKAGE = '{"private": true, "dependencies": {"@asyncapi/parser": "3.6.6"}}'
PARSE = """
const { Parser } = require("@asyncapi/parser");
const parser = new Parser();
const tried = process.argv.slice(1).map(async (path) => {
  const { document, diagnostics } = await parser.parse(require("fs").readFileSync(path, "utf8"));
  return { channels: document ? document.channels().all().length : 0,
    wrong: diagnostics.filter((each) => each.severity < 2).map((each) => each.message) };
});
Promise.all(tried).then((found) => console.log(JSON.stringify(found)));
"""


def test_the_committed_document_is_that_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_module("bssci.cli.asyncapi_document", run_name="__main__")
    assert capsys.readouterr().out == DOCUMENT.read_text(), "make docs"


@pytest.mark.parts
@pytest.mark.timeout(300)
def test_the_document_is_valid_for_the_official_parser(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    (tmp_path / "node_modules").symlink_to(node_modules(PACKAGE, "--ignore-scripts"))
    text = DOCUMENT.read_text()
    (tmp_path / "right.json").write_text(text)
    (tmp_path / "wrong.json").write_text(text.replace('"action": "send"', '"action": "shout"'))
    run = subprocess.run(
        [node, "-e", PARSE, "right.json", "wrong.json"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=60,
    )
    right, wrong = json.loads(run.stdout)
    assert (right["wrong"], right["channels"]) == ([], len(json.loads(text)["channels"]))
    assert wrong["wrong"], "a parser that finds nothing proves nothing"
