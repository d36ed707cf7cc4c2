from __future__ import annotations

from twisted.internet import reactor

from bssci.system.reactor import installed_reactor


def test_it_is_the_reactor_of_the_process() -> None:
    assert installed_reactor() is reactor
