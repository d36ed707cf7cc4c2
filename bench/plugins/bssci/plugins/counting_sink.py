"""A sink that counts: what the service costs without a sink's own work."""

from twisted.internet.defer import Deferred, succeed
from twisted.plugin import IPlugin
from zope.interface import implementer

from bssci.sinks import ISink, ISinkFactory


@implementer(ISink)
class CountingSink:
    """Counts events."""

    count = 0

    def start(self) -> None:
        """Do nothing."""

    def deliver(self, batch: list[object]) -> "Deferred[None]":
        self.count += len(batch)
        return succeed(None)

    def stop(self) -> "Deferred[None]":
        return succeed(None)


@implementer(IPlugin, ISinkFactory)
class CountingSinkFactory:
    """Builds the sink that counts."""

    name = "counting"
    description = "counts events"
    settings = ()

    def build(self, settings: object, center: object) -> CountingSink:
        return CountingSink()


counting = CountingSinkFactory()
