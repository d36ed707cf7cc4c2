"""TLS, certificates and passwords of the Kafka settings, against a listener that asks for them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bssci.kafka.settings import NAMES, connection
from tests.e2e.kafka_front import KafkaFront
from tests.kafka.broker import KafkaBroker
from tests.support.settings import settings_of
from tests.support.tls import Authority, TLSFiles, tls_files

__all__ = ["tls_files"]

pytestmark = [pytest.mark.parts, pytest.mark.timeout(90)]
pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install bssci[kafka]")
from bssci.kafka import trial  # noqa: E402

USER, PASSWORD = "bssci", "a password, with a comma"


@contextmanager
def brokers(
    files: TLSFiles, user: tuple[str, str] | None = None, *, asks_for_certificate: bool = False
) -> Iterator[KafkaFront]:
    """A broker behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    if asks_for_certificate:
        context.load_verify_locations(files.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    with KafkaFront(context, 0, user) as front, KafkaBroker(advertised=front.port) as broker:
        front.to(broker.port)
        yield front


def settings(front: KafkaFront, files: TLSFiles, **changes: object) -> dict[str, Any]:
    """How librdkafka connects by settings of an operator."""
    values = {
        "KAFKA_BOOTSTRAP_SERVERS": front.servers,
        "KAFKA_SECURITY_PROTOCOL": "SSL",
        "KAFKA_CA_FILE": files.ca,
        **changes,
    }
    chosen = settings_of({}, {name: str(value) for name, value in values.items()})
    return connection({name: chosen.value(name) for name in NAMES})


def asked(said: dict[str, Any]) -> tuple[str, str]:
    """What ``bssci check`` says first."""
    return next(iter(trial.findings(said, ["raw"])))


def through(said: dict[str, Any]) -> list[bytes]:
    """What is written and read again with these settings."""
    from confluent_kafka import Consumer, Producer
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient(said)
    admin.create_topics([NewTopic("raw", 1, 1)])["raw"].result(20)
    producer = Producer({**said, "acks": "all", "enable.idempotence": True})
    producer.produce("raw", b"there and back")
    assert producer.flush(20) == 0
    # This broker lets a group join after half of that time.
    quick = {"session.timeout.ms": 1500, "heartbeat.interval.ms": 400}
    consumer = Consumer({**said, "group.id": "secure", "auto.offset.reset": "earliest", **quick})
    consumer.subscribe(["raw"])
    found = [each.value() for each in consumer.consume(1, 20) if each.error() is None]
    consumer.close()
    return found


def test_tls_with_a_certificate_on_both_sides(tls_files: TLSFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "TIMEOUT", 3.0)
    bundle = tls_files.station_bundle()
    with brokers(tls_files, asks_for_certificate=True) as front:
        own = {
            "KAFKA_CERT_FILE": bundle / "station_cert.pem",
            "KAFKA_KEY_FILE": bundle / "station_key.pem",
        }
        said = settings(front, tls_files, **own)
        assert asked(said)[0] == "ok"
        assert through(said) == [b"there and back"]
        # With TLS 1.3 the client learns of it only as the connection ends.
        assert asked(settings(front, tls_files))[0] == "error"


def test_a_broker_of_another_authority_or_name_is_refused(
    tls_files: TLSFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "TIMEOUT", 3.0)
    other = tmp_path / "other"
    other.mkdir()
    Authority(other, "another CA")
    with brokers(tls_files) as front:
        assert asked(settings(front, tls_files))[0] == "ok"
        level, text = asked(settings(front, tls_files, KAFKA_CA_FILE=other / "ca_cert.pem"))
        assert level == "error" and "certificate verify failed" in text, text
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    named = TLSFiles(elsewhere)
    Authority(elsewhere).issue("kafka", named.certificate, named.key, host="kafka.example")
    with brokers(named) as front:
        level, text = asked(settings(front, named))
        assert level == "error" and "certificate verify failed" in text, text


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_user_and_password_are_shown_as_the_mechanism_wants(
    tls_files: TLSFiles, mechanism: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "TIMEOUT", 3.0)
    how = {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": mechanism, "KAFKA_USERNAME": USER}
    with brokers(tls_files, (USER, PASSWORD)) as front:
        said = settings(front, tls_files, **how, KAFKA_PASSWORD=PASSWORD)
        assert asked(said)[0] == "ok"
        assert through(said) == [b"there and back"]
        assert set(front.mechanisms) == {mechanism}
        level, text = asked(settings(front, tls_files, **how, KAFKA_PASSWORD=PASSWORD[1:]))
        assert level == "error" and "refuses user and password" in text, text
