"""Problems and how severe they are: decided here once, for alarms and for the verdict of the web admin.

Each says it in words of its own. An alarm also waits for its patience; the verdict does not.
"""

from __future__ import annotations

from typing import Literal

from bssci.center.retention import FULL, FULL_SOON
from bssci.center.silence.standing import SilenceState
from bssci.model.states import Severity
from bssci.system.utc import DAY

CertificateState = Literal["early", "ended", "ending"]
"""state of a certificate that is not valid yet, has expired, or expires soon"""
CERTIFICATE_SEVERITY: dict[CertificateState, Severity] = {
    "early": "error",
    "ended": "error",
    "ending": "warning",
}
LONG_AGO = 30.0
"""days after which the expired certificate of a base station that is away is not watched"""
ABOUT_TO_DETACH: tuple[SilenceState, ...] = ("warning", "auto-detach pending")
"""states that the status ``warning`` of sensors stands for"""
SILENT: tuple[SilenceState, ...] = (*ABOUT_TO_DETACH, "auto-detached")
"""states of sensors that are a problem"""


def fill_severity(share: float) -> Severity | None:
    """Return the severity of a journal that fills up; None: it does not.

    :param share: fraction of the maximum size that undelivered events take up: 0..1.
    """
    if share >= FULL:
        return "error"
    return "warning" if share >= FULL_SOON else None


def certificate_state(begins_at: float, ends_at: float, now: float, days: float) -> CertificateState | None:
    """Return what is wrong with the validity of a certificate; None: nothing.

    :param begins_at: Unix seconds; likewise ``ends_at`` and ``now``.
    :param days: days before it expires from which on a certificate counts: ALARM_CERTIFICATE_DAYS.
    """
    if begins_at > now:
        return "early"
    if ends_at < now:
        return "ended"
    return "ending" if ends_at - now < days * DAY else None


def is_watched(is_offline: bool, ends_at: float, bundle_ends_at: float, now: float) -> bool:
    """Return whether the certificate that a base station showed last is watched.

    It is not if the station is away, and a newer certificate was made for it, or it expired long ago.

    :param ends_at: Unix seconds; likewise the others.
    :param bundle_ends_at: end of the certificate in the station's bundle; 0: there is none.
    """
    return not is_offline or (ends_at >= bundle_ends_at and ends_at >= now - LONG_AGO * DAY)
