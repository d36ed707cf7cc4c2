"""Permission of a client: the filters that its token grants, and the devices whose messages it gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bssci.mqtt.server.topics import covers, overlap
from bssci.web.access.live_tokens import LiveToken
from bssci.web.door.messages import DEVICES, device_of_level

TagsOf = Callable[[str], Sequence[str]]
"""returns the tags of a device by its id"""


class Permission:
    """The permission of a client, from its token.

    :param tags_of: called each time, as tags change.
    """

    def __init__(self, token: LiveToken, base_topic: str, tags_of: TagsOf) -> None:
        self.token = token
        self._tags_of = tags_of
        level = base_topic.count("/") + 2
        self._places = (
            (f"{base_topic}/ep/+/#", level),
            (f"{base_topic}/EP/+/response", level),
            (f"{DEVICES}/+/#", 1),
        )
        """filters of topics that name a device, and the level that names it"""
        self._telegrams = f"{base_topic}/{DEVICES}/#"
        """filter of topics that name a device in one or several levels"""

    def grants(self, text: str) -> bool:
        """Return whether a filter may be subscribed to.

        A token for some devices may use wildcards, but gets messages of these devices only.
        """
        if not any(covers(topic, text) for topic in self.token.topics):
            return False
        if not self.token.is_bound or overlap(self._telegrams, text):
            return True
        return any(
            overlap(place, text) and self._may_name(text.split("/"), level) for place, level in self._places
        )

    def sees(self, devices: Sequence[str]) -> bool:
        """Return whether the client gets messages that belong to these devices. If there are none, only a
        token for all devices does.
        """
        token = self.token
        if not token.is_bound:
            return True
        return any(
            device in token.devices or any(tag in token.tags for tag in self._tags_of(device))
            for device in devices
        )

    def _may_name(self, levels: Sequence[str], level: int) -> bool:
        named = levels[level] if level < len(levels) else "#"
        if named in ("+", "#") or "#" in levels[:level]:
            return True
        return self.sees([device_of_level(named, is_id=level == 1)])
