from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from bssci.certificates import qr_code
from bssci.certificates.provisioned import Broker, client_configuration

pytest.importorskip("segno", reason="needs segno: pip install segno")
CONFIGURATION = json.dumps(client_configuration("f2-" + "a" * 12, Broker("b" * 253)), indent=2).encode()


def test_the_longest_configuration_is_a_picture_black_on_white() -> None:
    picture = ElementTree.fromstring(qr_code.as_svg(CONFIGURATION))
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert [part.get("fill") or part.get("stroke") for part in picture] == ["#fff", "#000"]


def test_a_terminal_gets_lines_of_the_same_length() -> None:
    lines = qr_code.in_terminal(CONFIGURATION).splitlines()
    assert len(lines) > 20
    assert len({len(line) for line in lines}) == 1


def test_what_is_too_long_is_said() -> None:
    with pytest.raises(qr_code.QrCodeError, match="cannot hold"):
        qr_code.as_svg(json.dumps("x" * 3000).encode())


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qr_code, "is_installed", lambda: False)
    assert not qr_code.is_installed()
    with pytest.raises(qr_code.QrCodeError, match=r"pip install 'bssci\[qr\]'"):
        qr_code.as_svg(CONFIGURATION)
