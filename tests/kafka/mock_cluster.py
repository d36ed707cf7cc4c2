"""librdkafka's own cluster for tests, in memory: brokers that answer with the errors that a test asks for.

It does not look at sequence numbers, so a producer that has several requests on their way at once may be told
that it lost nothing although it did: let it have one (``max.in.flight``).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NETWORK_EXCEPTION, NOT_ENOUGH_REPLICAS, GROUP_AUTHORIZATION_FAILED = 13, 19, 30
PRODUCE, OFFSET_COMMIT = 0, 8
"""numbers of requests in Kafka's protocol"""
_POINTER = ctypes.c_void_p


def _library() -> Any:
    kafka = pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install bssci[kafka]")
    found = list((Path(kafka.__file__).parents[1] / "confluent_kafka.libs").glob("librdkafka*"))
    if not found:
        pytest.skip("confluent-kafka has come without a librdkafka of its own")
    library = ctypes.CDLL(str(found[0]))
    for name, result, *arguments in (
        ("conf_new", _POINTER),
        ("new", _POINTER, ctypes.c_int, _POINTER, ctypes.c_char_p, ctypes.c_size_t),
        ("destroy", None, _POINTER),
        ("mock_cluster_new", _POINTER, _POINTER, ctypes.c_int),
        ("mock_cluster_destroy", None, _POINTER),
        ("mock_cluster_bootstraps", ctypes.c_char_p, _POINTER),
        ("mock_topic_create", ctypes.c_int, _POINTER, ctypes.c_char_p, ctypes.c_int, ctypes.c_int),
        ("mock_group_initial_rebalance_delay_ms", None, _POINTER, ctypes.c_int32),
        ("mock_broker_set_down", ctypes.c_int, _POINTER, ctypes.c_int32),
        ("mock_broker_set_up", ctypes.c_int, _POINTER, ctypes.c_int32),
        (
            "mock_push_request_errors_array", None, _POINTER, ctypes.c_int16, ctypes.c_size_t,
            ctypes.POINTER(ctypes.c_int),
        ),
    ):  # fmt: skip
        function = getattr(library, f"rd_kafka_{name}")
        function.restype, function.argtypes = result, arguments
    return library


class MockCluster:
    """Three brokers with one topic, ``raw``, of three partitions.

    :ivar servers: what clients are told to come to.
    """

    def __init__(self, library: Any, cluster: int) -> None:
        self._library = library
        self._cluster = cluster
        self.servers = library.rd_kafka_mock_cluster_bootstraps(cluster).decode()
        library.rd_kafka_mock_topic_create(cluster, b"raw", 3, 3)
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0)

    def answer(self, request: int, *errors: int) -> None:
        """Have the next requests of a kind answered with these errors."""
        codes = (ctypes.c_int * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, request, len(errors), codes)

    def turn_off(self, broker: int) -> None:
        """Have a broker, 1 to 3, take no connections, and lose those that it has."""
        self._library.rd_kafka_mock_broker_set_down(self._cluster, broker)

    def turn_on(self, broker: int) -> None:
        self._library.rd_kafka_mock_broker_set_up(self._cluster, broker)


@contextmanager
def mock_cluster() -> Iterator[MockCluster]:
    """Run the brokers, in threads of librdkafka."""
    library = _library()
    text = ctypes.create_string_buffer(512)
    handle = library.rd_kafka_new(0, library.rd_kafka_conf_new(), text, len(text))
    assert handle, text.value
    cluster = library.rd_kafka_mock_cluster_new(handle, 3)
    try:
        yield MockCluster(library, cluster)
    finally:
        library.rd_kafka_mock_cluster_destroy(cluster)
        library.rd_kafka_destroy(handle)
