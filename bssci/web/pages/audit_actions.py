"""Actions of the audit log in words, as buttons and dialogs of the pages call them.

What somebody entered is deleted; what the service would learn again when it is heard or connects is
forgotten; a part is removed from what stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

OUTCOMES = ("failed", "refused")
"""last parts of the names of actions that did not succeed"""


class Family(NamedTuple):
    """Actions on things of one kind, for the search."""

    title: str
    prefix: str
    """begin of the names of all these actions, and of no other"""
    actions: Mapping[str, str]
    """words by what follows the prefix in the name"""


FAMILIES = (
    Family(
        "Sensors",
        "sensor.",
        {
            "add": "Add a sensor",
            "update": "Change a sensor",
            "edit": "Change a selection of sensors",
            "import": "Import sensors",
            "attach": "Attach sensors",
            "detach": "Detach sensors",
            "remove": "Delete a sensor",
            "delete": "Delete a selection of sensors",
            "clear": "Delete all sensors",
            "reload": "Read the file of sensors again",
            "reveal_key": "Reveal a network key",
            "export_keys": "Export sensors with their keys",
        },
    ),
    Family("Downlinks", "downlink.", {"queue": "Queue a downlink", "revoke": "Revoke a downlink"}),
    Family(
        "Base stations",
        "station.",
        {
            "register": "Register a base station",
            "update": "Change a base station",
            "import": "Import base stations",
            "block": "Block a base station",
            "unblock": "Unblock a base station",
            "forget": "Forget a base station",
            "vm_activate": "Activate another MAC",
            "vm_deactivate": "Deactivate another MAC",
        },
    ),
    Family(
        "Devices",
        "device.",
        {
            "add": "Add a device",
            "update": "Change a device",
            "import": "Import devices",
            "move": "Move a device",
            "command": "Send a command to a device",
            "remove": "Forget a device",
        },
    ),
    Family(
        "Gateways",
        "gateway.",
        {
            "update": "Change a gateway",
            "command": "Send a command to a gateway",
            "remove": "Forget a gateway",
        },
    ),
    Family(
        "Provisioning",
        "provisioned.",
        {
            "add": "Make a device's certificate",
            "renew": "Renew a device's certificate",
            "revoke": "Revoke a device's certificate",
            "bundle": "Download a device's bundle",
        },
    ),
    Family(
        "Decoders",
        "decoder.",
        {"put": "Save a decoder", "import": "Import decoders", "delete": "Delete a decoder"},
    ),
    Family("Alarms", "alarm.", {"acknowledge": "Acknowledge an alarm", "test": "Send a test alarm"}),
    Family("Replays", "replay.", {"begin": "Begin a replay", "cancel": "Cancel a replay"}),
    Family(
        "Configuration",
        "config.",
        {"change": "Change a setting", "reload": "Read the settings again", "test": "Test settings"},
    ),
    Family(
        "Certificates",
        "certificate.",
        {
            "generate": "Generate certificates",
            "upload": "Upload a certificate",
            "backup": "Back up the certificates",
            "restore": "Restore the certificates",
            "download_key": "Download a private key",
            "station_bundle": "Make a base station's bundle",
            "revoke": "Revoke a base station's certificate",
        },
    ),
    Family("Log-ins", "log", {"in": "Log in", "out": "Log out"}),
    Family("Sessions", "session.", {"end": "End sessions"}),
    Family(
        "Users",
        "account.",
        {
            "add": "Add a user",
            "role": "Change a user's role",
            "password": "Change a password",
            "remove": "Delete a user",
        },
    ),
    Family("API tokens", "token.", {"create": "Make a token", "revoke": "Revoke a token"}),
    Family("Live tokens", "mqtt-token.", {"create": "Make a live token", "revoke": "Revoke a live token"}),
)
WORDS: Mapping[str, str] = {
    family.prefix + name: words for family in FAMILIES for name, words in family.actions.items()
}
"""words of every action by its name in the audit log"""
LOST = (
    "station.forget",
    "sensor.remove",
    "sensor.delete",
    "device.remove",
    "gateway.remove",
    "decoder.delete",
)
"""actions after which the page of their target is gone"""


class ActionInWords(NamedTuple):
    """An action for people."""

    words: str
    outcome: str
    """one of :data:`OUTCOMES`; empty: the action succeeded"""
    is_lost: bool
    """the page of the target is gone afterwards"""


def in_words(action: str) -> ActionInWords:
    """Return an action of the audit log for people; one without words with its name."""
    name, _, outcome = action.rpartition(".")
    if outcome not in OUTCOMES:
        name, outcome = action, ""
    return ActionInWords(WORDS.get(name, name), outcome, name in LOST and not outcome)
