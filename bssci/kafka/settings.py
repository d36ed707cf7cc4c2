"""The settings of the connection to Kafka, shared by the sink and the source of that name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from bssci.settings import parsers
from bssci.settings.groups import Group, Values
from bssci.settings.parsers import Parser
from bssci.settings.rows import Origin, Setting, SettingsError

MISSING = "kafka needs confluent-kafka: `pip install bssci[kafka]`"
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
LONGEST_TOPIC = 249


def _servers(text: str) -> str:
    servers = [each.strip() for each in text.split(",") if each.strip()]
    if not servers or not all(map(_is_server, servers)):
        raise ValueError
    return ",".join(servers)


def _is_server(text: str) -> bool:
    host, colon, port = text.rpartition(":")
    return (
        bool(colon and host)
        and "@" not in host
        and port.isascii()
        and port.isdigit()
        and 0 < int(port) < 65536
    )


def _topic(text: str) -> str:
    text = text.strip()
    legal = text.isascii() and text.replace(".", "").replace("_", "").replace("-", "").isalnum()
    if not legal or len(text) > LONGEST_TOPIC or text in (".", ".."):
        raise ValueError
    return text


def _choice(words: tuple[str, ...]) -> Parser[str]:
    def parse(text: str) -> str:
        if text.strip().upper() not in words:
            raise ValueError
        return text.strip().upper()

    return Parser(parse, f"one of {', '.join(words)}")


_TOPIC = Parser(_topic, f"up to {LONGEST_TOPIC} letters, digits, dots, underscores and dashes")
ROWS = (
    Setting(
        "KAFKA_BOOTSTRAP_SERVERS",
        "localhost:9092",
        Parser(_servers, "host:port, several separated by commas"),
        "brokers that are asked first",
        trusted=True,
    ),
    Setting("KAFKA_RAW_TOPIC", "raw_iot_data", _TOPIC, "topic of what devices sent"),
    Setting("KAFKA_DECODED_TOPIC", "decoded_iot_data", _TOPIC, "topic of readings; may be compacted"),
    Setting(
        "KAFKA_GROUP",
        "bssci",
        parsers.text,
        "consumer group of the source, shared by its instances",
    ),
    Setting(
        "KAFKA_SECURITY_PROTOCOL",
        "PLAINTEXT",
        _choice(PROTOCOLS),
        "how brokers are reached",
        trusted=True,
    ),
    Setting(
        "KAFKA_CA_FILE",
        "",
        parsers.optional_path,
        "authorities that may sign the brokers' certificates; empty: the system's",
        trusted=True,
    ),
    Setting("KAFKA_CERT_FILE", "", parsers.optional_path, "certificate shown to the brokers; empty: none"),
    Setting("KAFKA_KEY_FILE", "", parsers.optional_path, "private key of KAFKA_CERT_FILE"),
    Setting("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512", _choice(MECHANISMS), "mechanism for user and password"),
    Setting("KAFKA_USERNAME", "", parsers.text, "user at the brokers", private=True),
    Setting("KAFKA_PASSWORD", "", parsers.text, "password at the brokers", secret=True, private=True),
)
NAMES = tuple(row.name for row in ROWS)


def _check(values: Values, origins: Mapping[str, Origin]) -> Iterator[str]:
    protocol = values["KAFKA_SECURITY_PROTOCOL"]
    if bool(values["KAFKA_CERT_FILE"]) != bool(values["KAFKA_KEY_FILE"]):
        there, missing = ("CERT", "KEY") if values["KAFKA_CERT_FILE"] else ("KEY", "CERT")
        raise SettingsError(
            f"KAFKA_{missing}_FILE ({origins[f'KAFKA_{missing}_FILE']}): KAFKA_{there}_FILE needs it"
        )
    if protocol.startswith("SASL") and not values["KAFKA_USERNAME"]:
        raise SettingsError(
            f"KAFKA_USERNAME ({origins['KAFKA_USERNAME']}): KAFKA_SECURITY_PROTOCOL={protocol} needs a user"
        )
    if not protocol.startswith("SASL") and values["KAFKA_USERNAME"]:
        yield f"KAFKA_USERNAME has no effect with KAFKA_SECURITY_PROTOCOL={protocol}: set SASL_SSL"
    if not protocol.endswith("SSL") and (values["KAFKA_CA_FILE"] or values["KAFKA_CERT_FILE"]):
        yield f"KAFKA_CA_FILE and KAFKA_CERT_FILE have no effect with KAFKA_SECURITY_PROTOCOL={protocol}"
    if protocol == "SASL_PLAINTEXT":
        yield "KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT: everything is sent unencrypted; use SASL_SSL"


def _about(values: Values) -> Mapping[str, Any]:
    return {
        "servers": values["KAFKA_BOOTSTRAP_SERVERS"],
        "raw_topic": values["KAFKA_RAW_TOPIC"],
        "decoded_topic": values["KAFKA_DECODED_TOPIC"],
    }


GROUP = Group("Kafka", ROWS, chosen_by=("SINKS", "kafka"), check=_check, about=_about)


def check_client() -> None:
    """Check that the client is installed.

    :raises ValueError: confluent-kafka is missing.
    """
    if find_spec("confluent_kafka") is None:
        raise ValueError(MISSING)
    try:
        import confluent_kafka  # noqa: F401
    except ImportError as error:
        raise ValueError(f"confluent-kafka does not work ({error}): `pip install bssci[kafka]`") from None


def connection(values: Values) -> dict[str, Any]:
    """Return how librdkafka connects; see its CONFIGURATION.md.

    The brokers' certificates are checked for their names.
    """
    protocol = values["KAFKA_SECURITY_PROTOCOL"]
    said: dict[str, Any] = {
        "bootstrap.servers": values["KAFKA_BOOTSTRAP_SERVERS"],
        "client.id": "bssci",
        "security.protocol": protocol,
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 10_000,
    }
    if protocol.endswith("SSL"):
        files = {"ca": "CA", "certificate": "CERT", "key": "KEY"}
        said |= {
            f"ssl.{key}.location": str(values[f"KAFKA_{name}_FILE"])
            for key, name in files.items()
            if values[f"KAFKA_{name}_FILE"]
        }
        said["ssl.endpoint.identification.algorithm"] = "https"
    if protocol.startswith("SASL"):
        said |= {
            "sasl.mechanism": values["KAFKA_SASL_MECHANISM"],
            "sasl.username": values["KAFKA_USERNAME"],
            "sasl.password": values["KAFKA_PASSWORD"],
        }
    return said
