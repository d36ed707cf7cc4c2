"""The methods that handle the messages of each kind of operation."""

from __future__ import annotations

from bssci.stations.handlers import methods
from bssci.wire.messages import Ping, UlData
from bssci.wire.variable_mac import VmUlData


class Part:
    def handle_ulData(self) -> None: ...

    def handle_vm_ulData(self) -> None: ...

    def finish_ping(self) -> None: ...


def test_they_are_found_by_prefix_and_command() -> None:
    part = Part()
    assert methods([object(), part], "handle_") == {
        UlData: part.handle_ulData,
        VmUlData: part.handle_vm_ulData,
    }
    assert methods([part], "finish_") == {Ping: part.finish_ping}
    assert methods([part], "cancel_") == {}
