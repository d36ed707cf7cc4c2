"""The client library's log lines in our log, and its errors in words."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

REPEATED = 60.0
"""s in which the same line of librdkafka is logged once"""


class KafkaError(Exception):
    """Kafka did not do what was asked: one line for people."""


_EXPERIMENTAL = "enable.gapless.guarantee is experimental"
"""a warning with which librdkafka begins: its documentation says so of the property since 1.0"""


class ClientLog(logging.Handler):
    """Copies librdkafka's lines into our log, each kind at most once in ``REPEATED`` s."""

    log = Logger()

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._now = monotonic
        self._said: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        text = " ".join(record.getMessage().split())[:300]
        if _EXPERIMENTAL in text:
            return
        kind = text.split(":", 1)[0][:80]
        now = self._now()
        if now - self._said.get(kind, -REPEATED) < REPEATED:
            return
        if len(self._said) > 100:
            self._said.clear()
        self._said[kind] = now
        self.log.info("Kafka client: {text}", text=text)

    def as_logger(self) -> logging.Logger:
        """Return a logger that writes here and nowhere else."""
        logger = logging.Logger("kafka")  # noqa: LOG001  outside the tree, whose handlers are not ours
        logger.addHandler(self)
        return logger


_CHECK = "check KAFKA_BOOTSTRAP_SERVERS and KAFKA_SECURITY_PROTOCOL"
_WORDS = {
    "_ALL_BROKERS_DOWN": f"no broker can be reached; {_CHECK}",
    "_TRANSPORT": f"the connection to the broker is lost, or cannot be made; {_CHECK}",
    "_RESOLVE": "the broker's name cannot be resolved",
    "_MSG_TIMED_OUT": "the broker did not confirm in time",
    "_TIMED_OUT": "the broker did not answer in time",
    "_AUTHENTICATION": "the broker refuses user and password, or the mechanism",
    "UNSUPPORTED_SASL_MECHANISM": "the broker does not know the mechanism; check KAFKA_SASL_MECHANISM",
    "_SSL": "TLS with the broker failed",
    "TOPIC_AUTHORIZATION_FAILED": "the user may not use the topic",
    "GROUP_AUTHORIZATION_FAILED": "the user may not use the consumer group",
    "CLUSTER_AUTHORIZATION_FAILED": "the user may not write with idempotence",
    "UNKNOWN_TOPIC_OR_PART": "there is no such topic",
    "_UNKNOWN_TOPIC": "there is no such topic",
    "_UNKNOWN_PARTITION": "there is no such partition",
    "MSG_SIZE_TOO_LARGE": "the message is larger than the broker takes",
    "_BAD_COMPRESSION": (
        "a batch is damaged, or larger than 100 MB when decompressed, and holds up its partition; to skip it,"
        " see docs/kafka.md"
    ),
    "NOT_ENOUGH_REPLICAS": "too few replicas are in sync",
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND": "too few replicas are in sync",
    "OUT_OF_ORDER_SEQUENCE_NUMBER": "the broker has lost count of our messages",
    "_FENCED": "another producer took over",
    "_MAX_POLL_EXCEEDED": "this instance was too slow for its consumer group",
}


_OF_OPENSSL = re.compile(r"routines:[^:]*:([^:(]{3,80})")
"""the reason in an error of OpenSSL: ``certificate verify failed``"""
_SASL_ENDED = "SASL authentication error"
"""text of librdkafka where a broker ends the connection in place of an answer to user and password"""
GENERAL = ("_ALL_BROKERS_DOWN", "_TRANSPORT")
"""names of errors that say that there is no connection, and not why; the second says more than the first"""


def kind_of(error: Any) -> str:
    """Return the name of an error of librdkafka; that of its cause where only the text tells the cause."""
    name = str(error.name())
    if name == "_TRANSPORT":
        said = error.str()
        if _SASL_ENDED in said:
            return "_AUTHENTICATION"
        if _OF_OPENSSL.search(said):
            return "_SSL"
    return name


def in_words(error: Any, topic: str = "") -> str:
    """Return an error of librdkafka as one line for people, with its code."""
    said = " ".join(str(error.str()).split())
    kind = kind_of(error)
    words = _WORDS.get(kind, said[:200])
    if kind == "_SSL" and (reason := _OF_OPENSSL.search(said)):
        words += f": {reason[1].strip()}"
    return f"{words} ({kind}{f', topic {topic}' if topic else ''})"


class LastError:
    """The error of a client by which a later failure is explained: the newest of those that say most.

    That all brokers are down follows from anything else, and does not hide it.

    :ivar words: the error in words; empty: there was none.
    """

    def __init__(self) -> None:
        self.words = ""
        self._detail = 0

    def take(self, error: Any) -> None:
        kind = kind_of(error)
        detail = GENERAL.index(kind) if kind in GENERAL else len(GENERAL)
        if detail >= self._detail:
            self.words, self._detail = in_words(error), detail
