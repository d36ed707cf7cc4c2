"""The service's own settings, by group. A new setting needs one row here and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from bssci.model import EUI
from bssci.settings import parsers, trial
from bssci.settings.descriptions import host_and_port
from bssci.settings.groups import Group, ListeningAddress, Values
from bssci.settings.parsers import Parser
from bssci.settings.rows import Origin, Setting, SettingsError

T = TypeVar("T")


def _setting(
    default: str,
    parser: Parser[T],
    description: str,
    unit: str = "",
    live: bool = False,
    secret: bool = False,
    reread: bool = False,
    private: bool = False,
    trusted: bool = False,
) -> T:
    row = {
        "default": default,
        "parser": parser,
        "description": description,
        "unit": unit,
        "live": live,
        "secret": secret,
        "reread": reread,
        "private": private,
        "trusted": trusted,
    }
    typed: T = field(default=parser.parse(default), metadata=row)
    return typed


# fmt: off
@dataclass(frozen=True, kw_only=True)
class StationSettings:
    """Settings for base stations: listening addresses, certificates, admission."""

    title: ClassVar[str] = "Base stations"

    listen_host: str = _setting("0.0.0.0", parsers.host, "address on which base stations connect")
    listen_port: tuple[int, ...] = _setting("16018", parsers.ports, "ports on which base stations connect, separated by commas (some gateways can only reach 16017)")
    listen: tuple[str, ...] = _setting("", parsers.descriptions, "addresses and ports on which base stations connect, in place of LISTEN_HOST and LISTEN_PORT, for several addresses or a socket of systemd: tcp:16018:interface=10.0.0.5, tcp:16017 or systemd:domain=INET:index=0, separated by spaces or semicolons; TLS is used on each")
    cert_file: Path = _setting("certs/service_center_cert.pem", parsers.path, "certificate of the service center; read again when the file changes", reread=True)
    key_file: Path = _setting("certs/service_center_key.pem", parsers.path, "private key of the service center; read again when the file changes", reread=True)
    ca_file: Path = _setting("certs/ca_cert.pem", parsers.path, "certificates of the authorities whose base stations are accepted; read again when the file changes", reread=True)
    crl_file: Path | None = _setting("", parsers.optional_path, "revocation lists (PEM) of the authorities: certificates on them are refused; empty: crl.pem beside CA_FILE, if it exists; read again when the file changes", reread=True)
    station_identity: str = _setting("lenient", parsers.choice("lenient", "strict"), "lenient: any certificate of the CA, but one that names an EUI must name this station's; strict: it must name it (CN or SAN)")
    sc_eui: EUI | None = _setting("", parsers.optional_eui, "EUI of the service center; empty: generated at the first start and kept in STATE_DIR")
    max_frame_size: int = _setting("1048576", parsers.integer(1024, 1 << 30), "largest message that a base station may send", "bytes")
    max_connections: int = _setting("5000", parsers.integer(1, 1_000_000), "connections of base stations at a time, at most")
    max_connections_per_host: int = _setting("200", parsers.integer(1, 1_000_000), "connections from one address at a time, at most; behind NAT many stations may share one")
    status_interval: float = _setting("300", parsers.number(1, 86400), "time between status requests to each base station", "s", live=True)


@dataclass(frozen=True, kw_only=True)
class JournalSettings:
    """Settings of the journal, retention and the detection of silent sensors."""

    title: ClassVar[str] = "Sensors and journal"

    sensor_config_file: Path = _setting("endpoints.json", parsers.path, "file with the sensors; read again when the file changes", reread=True)
    state_dir: Path = _setting("data", parsers.path, "directory of the journal, sessions and everything else that must survive a restart")
    retention_days: int = _setting("90", parsers.integer(1, 36500), "how long the journal keeps what every sink has received", "days", live=True)
    journal_max_size: int = _setting("10240", parsers.integer(16, 1 << 24), "maximum size of the journal: events that every sink has taken are deleted to make room; if there are none left, new uplinks are refused and base stations keep them", "MB")
    deduplication_delay: float = _setting("2.0", parsers.number(0, 60), "how long an uplink waits for better copies", "s", live=True)
    auto_detach_enabled: bool = _setting("true", parsers.boolean, "detach sensors that have fallen silent", live=True)
    auto_detach_timeout: float = _setting("259200", parsers.number(1, 1e9), "silence after which a sensor is detached", "s", live=True)
    auto_detach_warning_timeout: float = _setting("129600", parsers.number(1, 1e9), "silence after which a warning is sent; below AUTO_DETACH_TIMEOUT", "s", live=True)
    auto_detach_check_interval: float = _setting("3600", parsers.number(1, 86400), "time between two checks for silent sensors", "s", live=True)


@dataclass(frozen=True, kw_only=True)
class DeliverySettings:
    """Settings of the sinks and the delivery of uplinks and events."""

    title: ClassVar[str] = "Delivery"

    sinks: tuple[str, ...] = _setting("mqtt,log", parsers.names, "sinks that uplinks go to, separated by commas; bssci sinks lists them")


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """Settings of the sources: inputs other than BSSCI."""

    title: ClassVar[str] = "Sources"

    sources: tuple[str, ...] = _setting("", parsers.optional_names, "inputs other than base stations, separated by commas; bssci sources lists them")
    source_rate: float = _setting("5000", parsers.number(1, 1e6), "telegrams that each source may deliver per second; further ones wait at the remote side", "1/s", live=True)
    source_share: float = _setting("25", parsers.number(1, 75), "share of the journal that telegrams of one source may take up while they wait for the sinks; further ones wait at the remote side", "%", live=True)
    source_changing_addresses: int = _setting("100", parsers.integer(0, 1_000_000), "number of changing Bluetooth addresses, as phones use them, whose telegrams are kept per hour; telegrams of further ones are only counted", live=True)


@dataclass(frozen=True, kw_only=True)
class DecoderSettings:
    """Settings of the decoders."""

    title: ClassVar[str] = "Decoders"

    decoder_dir: Path = _setting("decoders", parsers.path, "blueprints (*.json) and scripts (*.js); read again when they change", reread=True)


@dataclass(frozen=True, kw_only=True)
class DeviceSettings:
    """Settings of the devices that get certificates from us."""

    title: ClassVar[str] = "Devices"

    device_ca_file: Path = _setting("certs/devices/ca_cert.pem", parsers.path, "authority that signs the certificates which devices use at the broker; it must differ from that of the base stations, or every device would be accepted as a base station")
    device_broker: str = _setting("", parsers.optional_server, "host:port at which devices reach the broker; empty: the host in the service center's certificate, port 8883")


@dataclass(frozen=True, kw_only=True)
class AlarmSettings:
    """Settings of the alarms: their thresholds, and who is notified."""

    title: ClassVar[str] = "Alarms"

    alarm_station_offline_after: float = _setting("60", parsers.number(0, 86400), "how long a base station may be offline before an alarm is raised", "s", live=True)
    alarm_backlog_after: float = _setting("300", parsers.number(1, 86400), "how long the oldest event of a sink may wait before an alarm is raised", "s", live=True)
    alarm_certificate_days: float = _setting("30", parsers.number(0, 3650), "how long before a certificate expires an alarm is raised", "days", live=True)
    alarm_least: str = _setting("warning", parsers.choice("warning", "error"), "lowest severity of alarms that are sent by mail and webhook", live=True)
    alarm_group_time: float = _setting("30", parsers.number(0, 3600), "how long alarms are collected into one message", "s", live=True)
    alarm_max_per_hour: int = _setting("12", parsers.integer(1, 1000), "messages per hour, at most, by mail and by webhook each; further alarms wait and are sent together", live=True)
    alarm_webhook_url: str = _setting("", parsers.url, "URL to which alarms are posted as JSON; empty: no webhook", live=True, secret=True)
    alarm_webhook_secret: str = _setting("", parsers.text, "secret with which those requests are signed (header Webhook-Signature), as text or as whsec_ followed by Base64; empty: they are not signed", live=True, secret=True)
    alarm_mail_host: str = _setting("", parsers.optional_host, "mail server for messages about alarms; empty: no mail", live=True, trusted=True)
    alarm_mail_port: int = _setting("587", parsers.integer(1, 65535), "port of the mail server", live=True, trusted=True)
    alarm_mail_tls: str = _setting("starttls", parsers.choice("starttls", "tls", "none"), "encryption: starttls (port 587), tls from the first byte (port 465), or none", live=True, trusted=True)
    alarm_mail_username: str = _setting("", parsers.text, "user name at the mail server; empty: no authentication", live=True, private=True)
    alarm_mail_password: str = _setting("", parsers.text, "password of that user", live=True, secret=True)
    alarm_mail_from: str = _setting("", parsers.address, "sender of the messages; empty: the first of ALARM_MAIL_TO", live=True)
    alarm_mail_to: tuple[str, ...] = _setting("", parsers.addresses, "recipients of the messages, separated by commas", live=True)


@dataclass(frozen=True, kw_only=True)
class WebSettings:
    """Settings of the web admin."""

    title: ClassVar[str] = "Web admin"

    web_host: str = _setting("127.0.0.1", parsers.host, "address of the web admin")
    web_port: int = _setting("5000", parsers.integer(0, 65535), "port of the web admin; 0 switches it off")
    web_listen: tuple[str, ...] = _setting("", parsers.descriptions, "addresses and ports of the web admin, in place of WEB_HOST and WEB_PORT, for several addresses or a socket of systemd: tcp:5000:interface=10.0.0.5 or systemd:domain=INET:index=1, separated by spaces or semicolons")
    web_url: str = _setting("", parsers.url, "address by which people reach the web admin, as https://sc.example/bssci: messages about alarms link to its pages; empty: no links")
    web_tls: bool = _setting("false", parsers.boolean, "TLS for the web admin")
    web_cert_file: Path | None = _setting("", parsers.optional_path, "certificate of the web admin with WEB_TLS=true; empty: CERT_FILE; read again when the file changes", reread=True)
    web_key_file: Path | None = _setting("", parsers.optional_path, "private key of WEB_CERT_FILE; empty: KEY_FILE; read again when the file changes", reread=True)
    trusted_proxies: tuple[str, ...] = _setting("", parsers.networks, "reverse proxies whose X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Prefix are trusted: addresses and networks, unix for those that connect to a Unix socket, separated by commas")
    live_clients: int = _setting("5000", parsers.integer(0, 100_000), "clients of the live stream (MQTT over WebSocket at /mqtt of the web admin) at a time, at most; 0 switches it off")


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """Settings of the service's log."""

    title: ClassVar[str] = "Log"

    log_level: str = _setting("info", parsers.choice("debug", "info", "warn", "error", warning="warn", critical="error"), "lowest level of the log lines to write", live=True)
    log_format: str = _setting("text", parsers.choice("text", "json"), "format of the log lines")
    log_file: Path | None = _setting("", parsers.optional_path, "file for the log lines; empty: standard output")
    timezone: str = _setting("UTC", parsers.zone, "time zone of log lines, for example Europe/Berlin")
# fmt: on


@dataclass(frozen=True, kw_only=True)
class Settings(
    StationSettings,
    JournalSettings,
    DeliverySettings,
    SourceSettings,
    DecoderSettings,
    DeviceSettings,
    AlarmSettings,
    WebSettings,
    LogSettings,
):
    """The values in force: the service's own as attributes, those of plugins by name."""

    title: ClassVar[str] = ""

    plugged: Values = field(default_factory=dict)
    """values of the settings of sinks, sources and decoders, by name"""

    def value(self, name: str) -> Any:
        """Return the value of a setting.

        :raises KeyError: there is no such setting.
        """
        if name in self.plugged:
            return self.plugged[name]
        if name not in OWN:
            raise KeyError(name)
        return getattr(self, name.lower())

    def values(self) -> dict[str, Any]:
        """Return every value by the name of its setting."""
        return {name: getattr(self, name.lower()) for name in OWN} | dict(self.plugged)


def _rows(group: Any) -> tuple[Setting, ...]:
    return tuple(Setting(name=each.name.upper(), **each.metadata) for each in fields(group))


def _check_silence(values: Values, origins: Mapping[str, Origin]) -> Iterator[str]:
    warning, detach = values["AUTO_DETACH_WARNING_TIMEOUT"], values["AUTO_DETACH_TIMEOUT"]
    if warning >= detach:
        raise _contradiction(
            values, origins, "AUTO_DETACH_WARNING_TIMEOUT", f"must be below AUTO_DETACH_TIMEOUT={detach:.10g}"
        )
    yield from ()


def _check_web(values: Values, origins: Mapping[str, Origin]) -> Iterator[str]:
    if values["WEB_CERT_FILE"] and not values["WEB_KEY_FILE"]:
        raise _contradiction(values, origins, "WEB_CERT_FILE", "needs WEB_KEY_FILE too")
    if values["WEB_KEY_FILE"] and not values["WEB_CERT_FILE"]:
        raise _contradiction(values, origins, "WEB_KEY_FILE", "needs WEB_CERT_FILE too")
    yield from ()


def _check_alarms(values: Values, origins: Mapping[str, Origin]) -> Iterator[str]:
    if values["ALARM_MAIL_TO"] and not values["ALARM_MAIL_HOST"]:
        yield "ALARM_MAIL_TO is set, but ALARM_MAIL_HOST is not: no mail is sent"
    if values["ALARM_MAIL_HOST"] and not values["ALARM_MAIL_TO"]:
        yield "ALARM_MAIL_HOST is set, but ALARM_MAIL_TO is not: no mail is sent"
    if values["ALARM_MAIL_PASSWORD"] and values["ALARM_MAIL_TLS"] == "none":
        yield "ALARM_MAIL_TLS=none: the password of the mail server is sent unencrypted"


def _contradiction(values: Values, origins: Mapping[str, Origin], name: str, allowed: str) -> SettingsError:
    return SettingsError(f"{name}={str(values[name])!r} ({origins[name]}): {allowed}")


def station_places(values: Values) -> Iterator[ListeningAddress]:
    """Yield the addresses on which base stations connect, without sockets that the service inherits."""
    if values["LISTEN"]:
        yield from _described("LISTEN", values)
        return
    for port in values["LISTEN_PORT"]:
        yield ListeningAddress("LISTEN_PORT", "LISTEN_HOST", values["LISTEN_HOST"], port)


def _described(name: str, values: Values) -> Iterator[ListeningAddress]:
    for description in values[name]:
        found = host_and_port(description)
        if found is not None and found[1]:
            yield ListeningAddress(name, name, *found)


def _web_places(values: Values) -> Iterator[ListeningAddress]:
    if values["WEB_LISTEN"]:
        yield from _described("WEB_LISTEN", values)
    elif values["WEB_PORT"]:
        yield ListeningAddress("WEB_PORT", "WEB_HOST", values["WEB_HOST"], values["WEB_PORT"])


def _usable_stations(values: Values, changed: Collection[str]) -> None:
    trial.try_station_files(values, changed)
    if "LISTEN" in changed:
        trial.try_descriptions("LISTEN", values["LISTEN"])
    if "LISTEN_HOST" in changed:
        trial.try_host("LISTEN_HOST", values["LISTEN_HOST"])


def _usable_journal(values: Values, changed: Collection[str]) -> None:
    if "STATE_DIR" in changed:
        trial.try_state_directory(values["STATE_DIR"])


def _usable_web(values: Values, changed: Collection[str]) -> None:
    trial.try_web_files(values, changed)
    if "WEB_LISTEN" in changed:
        trial.try_descriptions("WEB_LISTEN", values["WEB_LISTEN"])
    if "WEB_HOST" in changed:
        trial.try_host("WEB_HOST", values["WEB_HOST"])


def _usable_log(values: Values, changed: Collection[str]) -> None:
    if "LOG_FILE" in changed:
        trial.try_log_file(values["LOG_FILE"])


def _web_certificates(values: Values) -> Mapping[str, Path]:
    own = values["WEB_CERT_FILE"]
    return {"Web admin": own} if values["WEB_TLS"] and own else {}


GROUPS = (
    Group(
        StationSettings.title,
        _rows(StationSettings),
        usable=_usable_stations,
        places=station_places,
    ),
    Group(JournalSettings.title, _rows(JournalSettings), check=_check_silence, usable=_usable_journal),
    Group(DeliverySettings.title, _rows(DeliverySettings)),
    Group(SourceSettings.title, _rows(SourceSettings)),
    Group(DecoderSettings.title, _rows(DecoderSettings)),
    Group(DeviceSettings.title, _rows(DeviceSettings)),
    Group(AlarmSettings.title, _rows(AlarmSettings), check=_check_alarms),
    Group(
        WebSettings.title,
        _rows(WebSettings),
        check=_check_web,
        usable=_usable_web,
        places=_web_places,
        certificates=_web_certificates,
    ),
    Group(LogSettings.title, _rows(LogSettings), usable=_usable_log),
)
"""the service's own groups, in the order in which they are shown"""
OWN: Mapping[str, Setting] = {row.name: row for group in GROUPS for row in group}
"""every setting of those groups by its name"""
