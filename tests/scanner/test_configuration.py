from __future__ import annotations

from pathlib import Path

import pytest

from bssci.scanner.configuration import (
    ConfigurationError,
    MqttPart,
    ScannerConfiguration,
    password_of,
    read_configuration,
)

pytest.importorskip("yaml", reason="needs PyYAML: pip install bssci[scanner]")
OLD = """
scanner: {id: roof-1, bluetooth_adapter: hci1}
mqtt: {broker: mqtt.example, port: 8883, topic_prefix: bt-mqtt, qos: 1, client_id_prefix: scanner,
       keepalive: 60, reconnect_delay: 5}
deduplication: {enabled: true, interval_seconds: 30, strategy: change_based}
blocklist: {enabled: true, devices: ["AA:BB:CC:DD:EE:FF"]}
logging: {level: info, format: json, file: ""}
heartbeat: {enabled: true, interval_seconds: 60}
"""


def read(text: str, tmp_path: Path) -> ScannerConfiguration:
    file = tmp_path / "scanner.yaml"
    file.write_text(text)
    return read_configuration(file)


def test_a_file_of_today_is_read(tmp_path: Path) -> None:
    found = read(OLD, tmp_path)
    assert (found.id, found.scanner.bluetooth_adapter) == ("roof-1", "hci1")
    assert (found.mqtt.broker, found.mqtt.port) == ("mqtt.example", 8883)
    assert found.deduplication.strategy == "change_based"
    assert found.blocklist.devices == ["AA:BB:CC:DD:EE:FF"]


@pytest.mark.parametrize("text", ["", "{}", "# nothing\n"])
def test_without_anything_there_are_defaults(text: str, tmp_path: Path) -> None:
    assert read(text, tmp_path) == read_configuration(None) == ScannerConfiguration()


def test_without_an_id_the_host_has_its_name() -> None:
    assert ScannerConfiguration().id


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mqtt: {port: 70000}", "mqtt.port: Expected `int` <= 65535"),
        ("mqtt: {port: x}", "mqtt.port"),
        ("mqtt: {porrt: 1}", "mqtt: Object contains unknown field `porrt`"),
        ("scaner: {}", "unknown field `scaner`"),
        ("[]", "Expected `object`"),
        ("mqtt: {", "is not YAML"),
        ("deduplication: {strategy: never}", "deduplication.strategy"),
        ("deduplication: {interval_seconds: 0}", "deduplication.interval_seconds"),
        ("scanner: {id: a/b}", "scanner.id"),
        ("mqtt: {topic_prefix: 'a/#'}", "mqtt.topic_prefix"),
        ("mqtt: {cert_file: c}", "set both or neither"),
        ("mqtt: {password_file: /nowhere/at/all}", "mqtt.password_file"),
        ("blocklist: {devices: [1]}", "blocklist.devices"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_field(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        read(text, tmp_path)
    assert said in str(error.value) and "scanner.yaml" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_one_that_is_no_text_are_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        read_configuration(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        read_configuration(tmp_path / "binary.yaml")


def test_a_password_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    assert password_of(MqttPart(password_file=str(file))) == "s3cret"
    assert password_of(MqttPart(password="here")) == "here"
