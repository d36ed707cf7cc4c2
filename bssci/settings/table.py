"""Every setting once: the table from which come option, environment, ``.env``, page and documentation."""

from __future__ import annotations

import io
import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from dotenv.parser import Binding, parse_stream

from bssci.model import EUI
from bssci.settings import parsers
from bssci.settings.parsers import Parser
from bssci.system.files import write_atomically

T = TypeVar("T")
Origin = Literal["command line", "environment", ".env", "default"]

ENV_FILE = Path(".env")
"""in the directory that the service is started in"""
MASK = "********"
_PLAIN_VALUE = re.compile(r"[\w./:,@+-]*")


class SettingsError(ValueError):
    """A setting is wrong: one line with its name, its value (masked if secret), what is allowed, its origin."""


@dataclass(frozen=True)
class Setting:
    """One line of the table. Empty text stands for the default."""

    name: str
    """as in the environment and ``.env``: ``LISTEN_PORT``"""
    default: str
    parser: Parser[Any]
    description: str
    unit: str
    restart: bool
    """a change needs a restart"""
    secret: bool
    """never shown, logged or sent"""

    @property
    def attribute(self) -> str:
        """Its name in :class:`Settings`."""
        return self.name.lower()

    @property
    def option(self) -> str:
        """Its name on the command line, without the dashes in front."""
        return self.name.lower().replace("_", "-")


def _setting(
    default: str,
    parser: Parser[T],
    description: str,
    unit: str = "",
    live: bool = False,
    secret: bool = False,
) -> T:
    line = {
        "default": default,
        "parser": parser,
        "description": description,
        "unit": unit,
        "restart": not live,
        "secret": secret,
    }
    typed: T = field(default=parser.parse(default), metadata=line)
    return typed


# fmt: off
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The table, and the values in force. One line here is all that a new setting takes."""

    listen_host: str = _setting("0.0.0.0", parsers.host, "address on which base stations connect")
    listen_port: tuple[int, ...] = _setting("16018", parsers.ports, "ports on which base stations connect, separated by commas (some gateways can only reach 16017)")
    cert_file: Path = _setting("certs/service_center_cert.pem", parsers.path, "certificate of the service center; read again when the file changes")
    key_file: Path = _setting("certs/service_center_key.pem", parsers.path, "private key of the service center; read again when the file changes")
    ca_file: Path = _setting("certs/ca_cert.pem", parsers.path, "certificates of the authorities whose base stations are let in; read again when the file changes")
    station_identity: str = _setting("lenient", parsers.choice("lenient", "strict"), "lenient: any certificate of the CA, but one that names an EUI must name this station's; strict: it must name it (CN or SAN)")
    sc_eui: EUI | None = _setting("", parsers.optional_eui, "EUI of the service center; empty: drawn at first start and kept in STATE_DIR")
    max_frame_size: int = _setting("1048576", parsers.integer(1024, 1 << 30), "largest message that a base station may send", "bytes")
    max_connections: int = _setting("5000", parsers.integer(1, 1_000_000), "connections of base stations at a time")
    max_connections_per_host: int = _setting("200", parsers.integer(1, 1_000_000), "connections from one address at a time; many stations may share one behind NAT")
    status_interval: float = _setting("300", parsers.number(1, 86400), "time between status requests to each base station", "s", live=True)

    sensor_config_file: Path = _setting("endpoints.json", parsers.path, "the sensors")
    state_dir: Path = _setting("data", parsers.path, "journal, sessions and all that must outlive a restart")
    retention_days: int = _setting("90", parsers.integer(1, 36500), "how long the journal keeps what every sink has received", "days", live=True)
    journal_max_size: int = _setting("10240", parsers.integer(16, 1 << 24), "size of the journal: what every sink has taken makes room, and when there is none of that, base stations keep their data", "MB")
    deduplication_delay: float = _setting("2.0", parsers.number(0, 60), "how long an uplink waits for better copies", "s", live=True)
    auto_detach_enabled: bool = _setting("true", parsers.boolean, "detach sensors that have fallen silent", live=True)
    auto_detach_timeout: float = _setting("259200", parsers.number(1, 1e9), "silence after which a sensor is detached", "s", live=True)
    auto_detach_warning_timeout: float = _setting("129600", parsers.number(1, 1e9), "silence after which a warning is sent; below AUTO_DETACH_TIMEOUT", "s", live=True)
    auto_detach_check_interval: float = _setting("3600", parsers.number(1, 86400), "time between two looks for silent sensors", "s", live=True)

    sinks: tuple[str, ...] = _setting("mqtt,log", parsers.names, "sinks that uplinks go to, separated by commas")
    mqtt_broker: str = _setting("localhost", parsers.host, "host of the MQTT broker; embedded: a broker of our own on 127.0.0.1", live=True)
    mqtt_port: int = _setting("1883", parsers.integer(1, 65535), "port of the MQTT broker", live=True)
    mqtt_username: str = _setting("", parsers.text, "user at the MQTT broker; empty: none", live=True)
    mqtt_password: str = _setting("", parsers.text, "password at the MQTT broker", live=True, secret=True)
    base_topic: str = _setting("mioty", parsers.topic, "first part of every MQTT topic; a trailing / is ignored")
    mqtt_qos: int = _setting("1", parsers.integer(0, 2), "MQTT quality of service", live=True)
    mqtt_tls: bool = _setting("false", parsers.boolean, "TLS to the MQTT broker", live=True)
    mqtt_ca_file: Path | None = _setting("", parsers.optional_path, "authorities that may sign the broker's certificate; empty: the system's", live=True)
    mqtt_cert_file: Path | None = _setting("", parsers.optional_path, "certificate shown to the broker; empty: none", live=True)
    mqtt_key_file: Path | None = _setting("", parsers.optional_path, "private key of MQTT_CERT_FILE", live=True)
    mqtt_transport: str = _setting("tcp", parsers.choice("tcp", "websockets"), "how the MQTT broker is reached", live=True)
    mqtt_path: str = _setting("/mqtt", parsers.text, "path at the broker with MQTT_TRANSPORT=websockets", live=True)
    mqtt_client_id: str = _setting("", parsers.text, "client identifier at the MQTT broker; empty: one that stays the same for this installation", live=True)

    web_host: str = _setting("127.0.0.1", parsers.host, "address of the web admin")
    web_port: int = _setting("5000", parsers.integer(0, 65535), "port of the web admin; 0 switches it off")
    web_tls: bool = _setting("false", parsers.boolean, "TLS for the web admin")
    web_cert_file: Path | None = _setting("", parsers.optional_path, "certificate of the web admin with WEB_TLS=true; empty: CERT_FILE")
    web_key_file: Path | None = _setting("", parsers.optional_path, "private key of WEB_CERT_FILE; empty: KEY_FILE")

    log_level: str = _setting("info", parsers.choice("debug", "info", "warn", "error"), "least serious log lines to write", live=True)
    log_format: str = _setting("text", parsers.choice("text", "json"), "form of the log lines")
    log_file: Path | None = _setting("", parsers.optional_path, "where log lines go; empty: standard output")
    timezone: str = _setting("UTC", parsers.zone, "time zone of log lines, for example Europe/Berlin")
# fmt: on


SETTINGS: Mapping[str, Setting] = {
    each.name.upper(): Setting(name=each.name.upper(), **each.metadata) for each in fields(Settings)
}


def load(
    options: Mapping[str, Any], environ: Mapping[str, str], env_file: Path, others: Container[str] = ()
) -> tuple[Settings, dict[str, Origin], list[str]]:
    """The values in force: command line before environment before ``.env`` before default.

    :param options: ``listen-port`` and so on; names that are no settings, and None, are passed over.
    :param env_file: need not exist.
    :param others: names that sinks of third parties read from ``env_file``.
    :return: the settings, for each name where its value comes from, and warnings (one line each).
    :raises SettingsError: if a value is wrong or ``env_file`` cannot be read.
    """
    from_file, warnings = _read_env_file(env_file, others)
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for setting in SETTINGS.values():
        text: str | None
        origin: Origin
        if (text := options.get(setting.option)) is not None:
            origin = "command line"
        elif (text := environ.get(setting.name)) is not None:
            origin = "environment"
        elif (text := from_file.get(setting.name)) is not None:
            origin = ".env"
        else:
            text, origin = setting.default, "default"
        origins[setting.name] = origin
        values[setting.attribute] = _parse(setting, text, str(env_file) if origin == ".env" else origin)
    settings = Settings(**values)
    _check_together(settings, origins)
    if not settings.mqtt_tls and (settings.mqtt_ca_file or settings.mqtt_cert_file):
        warnings.append("MQTT_CA_FILE and MQTT_CERT_FILE have no effect: MQTT_TLS is false")
    return settings, origins, warnings


def update_env_file(path: Path, values: Mapping[str, str]) -> None:
    """Set values in ``.env``: atomically, mode 0600, all other lines and comments kept.

    :raises SettingsError: if a name or value is wrong, or the file cannot be read; nothing is written.
    :raises OSError: if it cannot be written.
    """
    for name, value in values.items():
        if name not in SETTINGS:
            raise SettingsError(f"{name} is not a setting")
        _parse(SETTINGS[name], value, "new value")
    missing = dict(values)
    pieces = []
    for binding in _bindings(path):
        piece = binding.original.string
        if binding.key is not None and binding.key in values:
            missing.pop(binding.key, None)
            piece = _blank(binding) + _assignment(binding.key, values[binding.key])
        pieces.append(piece)
    if pieces and not pieces[-1].endswith("\n"):
        pieces.append("\n")
    pieces += [_assignment(name, value) for name, value in missing.items()]
    write_atomically(path, "".join(pieces).encode())


def changeable() -> frozenset[str]:
    """Names of the settings that take effect while the service runs."""
    return frozenset(name for name, setting in SETTINGS.items() if not setting.restart)


def option_parameters() -> Iterator[tuple[str, None, None, str]]:
    """Rows for ``twisted.python.usage.Options.optParameters``; None marks what was not given."""
    for setting in SETTINGS.values():
        yield setting.option, None, None, f"{_explained(setting)} [default: {setting.default or 'empty'}]"


def documentation() -> str:
    """``docs/settings.md``."""
    lines = [
        "# Settings",
        "",
        "The same names in `.env`, in the environment and, as `--lower-case-with-dashes`, on `twistd bssci`.",
        "Command line before environment before `.env` before default; empty text stands for the default.",
        "",
        "| Setting | Default | Meaning | Allowed | Change |",
        "|---|---|---|---|---|",
    ]
    for setting in SETTINGS.values():
        default = f"`{setting.default}`" if setting.default else "empty"
        change = "needs a restart" if setting.restart else "while running"
        cells = [f"`{setting.name}`", default, _explained(setting), setting.parser.allowed, change]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def env_template() -> str:
    """A ``.env`` to begin with: every setting explained and commented out."""
    lines = [
        "# Settings of the service center. Remove the # in front of a setting to change it.",
        "# The environment and the command line of twistd come before this file.",
    ]
    for setting in SETTINGS.values():
        change = "; needs a restart" if setting.restart else ""
        lines += ["", f"# {_explained(setting)}{change}", f"#{setting.name}={setting.default}"]
    return "\n".join(lines) + "\n"


def _explained(setting: Setting) -> str:
    return f"{setting.description} ({setting.unit})" if setting.unit else setting.description


def _parse(setting: Setting, text: str, origin: str) -> Any:
    try:
        return setting.parser.parse(text if text.strip() else setting.default)
    except ValueError:
        shown = MASK if setting.secret else repr(text)
        raise SettingsError(
            f"{setting.name}={shown} ({origin}): {setting.parser.allowed} is allowed"
        ) from None


def _check_together(settings: Settings, origins: Mapping[str, Origin]) -> None:
    def refuse(name: str, allowed: str) -> None:
        value = getattr(settings, name.lower())
        raise SettingsError(f"{name}={str(value)!r} ({origins[name]}): {allowed}")

    if settings.auto_detach_warning_timeout >= settings.auto_detach_timeout:
        limit = f"AUTO_DETACH_TIMEOUT={settings.auto_detach_timeout:.10g}"
        refuse("AUTO_DETACH_WARNING_TIMEOUT", f"must be below {limit}")
    if settings.mqtt_cert_file and not settings.mqtt_key_file:
        refuse("MQTT_CERT_FILE", "needs MQTT_KEY_FILE too")
    if settings.mqtt_key_file and not settings.mqtt_cert_file:
        refuse("MQTT_KEY_FILE", "needs MQTT_CERT_FILE too")
    if settings.mqtt_password and not settings.mqtt_username:
        raise SettingsError(f"MQTT_PASSWORD={MASK} ({origins['MQTT_PASSWORD']}): needs MQTT_USERNAME too")
    if settings.web_cert_file and not settings.web_key_file:
        refuse("WEB_CERT_FILE", "needs WEB_KEY_FILE too")
    if settings.web_key_file and not settings.web_cert_file:
        refuse("WEB_KEY_FILE", "needs WEB_CERT_FILE too")
    if settings.web_port in settings.listen_port:
        refuse("WEB_PORT", "is one of LISTEN_PORT too")
    if settings.mqtt_broker == "embedded":
        if settings.mqtt_port in (settings.web_port, *settings.listen_port):
            refuse("MQTT_PORT", "is WEB_PORT or one of LISTEN_PORT too; the embedded broker needs its own")
        if settings.mqtt_tls or settings.mqtt_transport != "tcp":
            refuse("MQTT_BROKER", "the embedded broker needs MQTT_TLS=false and MQTT_TRANSPORT=tcp")


def _read_env_file(path: Path, others: Container[str]) -> tuple[dict[str, str], list[str]]:
    values: dict[str, str] = {}
    warnings: list[str] = []
    for binding in _bindings(path):
        if binding.key is None or binding.key in others:
            continue
        if binding.key not in SETTINGS:
            warnings.append(f"{path} line {_line(binding)}: {binding.key} is not a setting")
        elif binding.key in values:
            warnings.append(f"{path} line {_line(binding)}: {binding.key} again, the last one counts")
        values[binding.key] = binding.value or ""
    return values, warnings


def _bindings(path: Path) -> list[Binding]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: is not UTF-8 (byte {error.start + 1}): save it as UTF-8") from None
    bindings = list(parse_stream(io.StringIO(text)))
    for binding in bindings:
        if binding.error or (binding.key is not None and binding.value is None):
            raise SettingsError(f"{path} line {_line(binding)}: NAME=value or # comment is allowed")
    return bindings


def _blank(binding: Binding) -> str:
    """The empty lines that the parser counts to the line after them."""
    text = binding.original.string
    return text[: len(text) - len(text.lstrip())]


def _line(binding: Binding) -> int:
    return binding.original.line + _blank(binding).count("\n")


def _assignment(name: str, value: str) -> str:
    if not _PLAIN_VALUE.fullmatch(value):
        value = "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return f"{name}={value}\n"


if __name__ == "__main__":
    print(documentation(), end="")
