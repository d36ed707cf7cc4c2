"""Second attempts for what the broker dropped or refused: its access rules may have been changed meanwhile.

A broker does not tell its clients that their rights have changed, and most keep the connection. Uplinks wait
and come again by themselves; so do filters (:data:`bssci.mqtt.client.ASK_AGAIN`). This is for the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.mqtt.values import MessagesRefused, MqttOffline, Publication
from bssci.sinks.mqtt.echo import Echo
from bssci.sinks.mqtt.refusals import PublishRefusals
from bssci.system.clock import Ticker

INTERVAL = 30.0
"""s between attempts"""


class SecondChance:
    """Attempts to publish again, as long as something was dropped or refused.

    :param publish: see :meth:`bssci.mqtt.client.MqttClient.publish`.
    :param announce: publishes the birth message and all present states: of those that were refused, the last
        of each kind is known, at most.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        publish: Callable[[Sequence[Publication]], Deferred[None]],
        echo: Echo,
        refusals: PublishRefusals,
        announce: Callable[[], None],
    ) -> None:
        self._publish = publish
        self._echo = echo
        self._refusals = refusals
        self._announce = announce
        self._is_trying = False
        self._ticker = Ticker(clock, INTERVAL, self._look)

    def start(self) -> None:
        self._ticker.start()

    def stop(self) -> None:
        self._ticker.stop()

    def _look(self) -> None:
        if self._echo.is_missed or self._refusals.has_ended():
            self._announce()
        if not self._is_trying:
            self._is_trying = True
            ensureDeferred(self._try(self._refusals.set_aside)).addBoth(self._tried)

    def _tried(self, outcome: object) -> None:
        self._is_trying = False
        if isinstance(outcome, Failure):
            self.log.failure("MQTT messages that were refused are not published again", outcome)

    async def _try(self, messages: Sequence[Publication]) -> None:
        for message in messages:
            if message not in self._refusals.set_aside:
                continue  # the broker took a newer one meanwhile, which must stay the last
            try:
                await self._publish([message])
            except MessagesRefused:
                self._refusals.refused_again(message)
                continue
            except MqttOffline:
                return
            self._refusals.replaced([message])
        if self._refusals.has_ended():
            self._announce()
