"""All that the guard of alarms watches: the parts of the center, and what the service around it tells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bssci.center.alarms import conditions
from bssci.center.alarms.conditions import ChannelState, HasTrouble
from bssci.center.alarms.guard import Watched
from bssci.center.retention import full_in
from bssci.center.service_center import ServiceCenter
from bssci.system import logs


def watched_parts(
    center: ServiceCenter,
    *,
    listening: Callable[[], bool],
    decoders: Callable[[], Mapping[str, Any] | None],
    channels: Callable[[], Iterable[ChannelState]],
    used_certificates: Callable[[], Iterable[HasTrouble]],
) -> Watched:
    """Return what the guard watches.

    :param listening: returns whether base stations can connect.
    :param decoders: returns the report on decoders; None: there are none.
    :param channels: returns the channels by which alarms are sent.
    :param used_certificates: returns the certificates in use, each with why its present files are not.
    """
    configuration, provisioned = center.configuration, center.provisioned
    return Watched(
        journal=center.journal,
        storing=center.storing,
        stations=center.stations,
        entries=center.entries,
        refusals=center.refused_stations,
        sensors=center.sensors,
        silence=center.silence,
        deliveries=center.deliveries,
        started_at=center.started_at,
        settings=lambda: configuration.current,
        certificates=lambda: configuration.catalogue.certificate_files(configuration.current),
        forecast=lambda: full_in(center.retention.days_left()),
        listening=listening,
        decoders=decoders,
        others={
            "gateway-offline": lambda: conditions.of_gateways(center.gateway_states()),
            "log-failing": lambda: conditions.of_log(logs.trouble()),
            "source-failing": lambda: conditions.of_sources(center.sources.statistics()),
            "alarms-not-told": lambda: conditions.of_channels(channels()),
            "device-certificate-ends": lambda: conditions.of_provisioned(
                provisioned.ends(configuration.current.alarm_certificate_days), center.now()
            ),
            "device-registry-unusable": lambda: conditions.of_device_registry(provisioned.trouble),
            "settings-unusable": lambda: conditions.of_unused_settings(configuration.trouble),
            "certificates-unusable": lambda: conditions.of_unused_certificates(used_certificates()),
        },
    )
