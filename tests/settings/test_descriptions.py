from __future__ import annotations

import pytest

from bssci.settings.descriptions import host_and_port


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("tcp:16018", ("0.0.0.0", 16018)),
        ("tcp:port=16018:interface=127.0.0.1", ("127.0.0.1", 16018)),
        (r"tcp6:80:interface=\:\:1", ("::1", 80)),
        ("tcp6:80", ("::", 80)),
        ("mtls:16018:backlog=5", ("0.0.0.0", 16018)),
        ("systemd:domain=INET:index=0", None),
        ("unix:/run/socket", None),
        ("tcp:http", None),
    ],
)
def test_address_and_port_of_a_description(description: str, expected: tuple[str, int] | None) -> None:
    assert host_and_port(description) == expected
