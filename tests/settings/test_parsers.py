from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bssci.settings import parsers
from bssci.settings.parsers import Parser


@pytest.mark.parametrize(
    ("parser", "text", "value"),
    [
        (parsers.integer(1, 3), "3", 3),
        (parsers.number(0, 1), "0.5", 0.5),
        (parsers.choice("tcp", "websockets", ws="websockets"), "WS", "websockets"),
        (parsers.boolean, "Yes", True),
        (parsers.boolean, "off", False),
        (parsers.ports, "16018,16017", (16018, 16017)),
        (parsers.names, "mqtt, log", ("mqtt", "log")),
        (parsers.optional_names, " ", ()),
        (
            parsers.descriptions,
            "tcp:1 ; systemd:domain=INET:index=0",
            ("tcp:1", "systemd:domain=INET:index=0"),
        ),
        (parsers.networks, "10.0.0.1/8, unix,10.0.0.0/8", ("10.0.0.0/8", "unix")),
        (parsers.path, " certs/key.pem ", Path("certs/key.pem")),
        (parsers.optional_path, "", None),
        (parsers.optional_eui, "70-b3-d5-67-70-11-00-01", "70B3D56770110001"),
        (parsers.topic, "mioty/", "mioty"),
        (parsers.topic, "$aws/rules/x", "$aws/rules/x"),
        (parsers.zone, "Europe/Berlin", "Europe/Berlin"),
    ],
)
def test_a_text_that_is_allowed(parser: Parser[Any], text: str, value: object) -> None:
    assert parser.parse(text) == value


@pytest.mark.parametrize(
    ("parser", "text"),
    [
        (parsers.integer(1, 3), "4"),
        (parsers.integer(1, 3), "1.5"),
        (parsers.integer(1, 30), "1_0"),
        (parsers.integer(1, 3), "\u0663"),
        (parsers.number(0, 30), "1_0"),
        (parsers.number(0, 30), "\u0663"),
        (parsers.number(0, 1), "nan"),
        (parsers.choice("tcp", "websockets"), "udp"),
        (parsers.boolean, "maybe"),
        (parsers.ports, "16018,16018"),
        (parsers.names, "mqtt,,log"),
        (parsers.descriptions, "16018"),
        (parsers.networks, "10.0.0.0/33"),
        (parsers.path, "a\nb"),
        (parsers.path, "~nobody-of-this-name/key.pem"),
        (parsers.optional_path, r"-----BEGIN CERTIFICATE-----\nMIIB"),
        (parsers.optional_eui, "70B3"),
        (parsers.topic, "mioty/#"),
        (parsers.topic, "$SYS/mioty"),
        (parsers.topic, "$share/mioty"),
        (parsers.host, "two words"),
        (parsers.zone, "Berlin"),
    ],
)
def test_a_text_that_is_not_allowed(parser: Parser[Any], text: str) -> None:
    with pytest.raises(ValueError):
        parser.parse(text)
    assert parser.allowed
