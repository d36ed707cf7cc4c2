"""Parsers of a setting's text, each with a description of what it allows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

from bssci.model import EUI, parse_eui

T_co = TypeVar("T_co", covariant=True)
Number = TypeVar("Number", int, float)

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST = re.compile(r"[\w.:%-]+")
_SEPARATOR = re.compile(r"[\s;]+|,(?=(?:tcp6?|ssl|tls|unix|systemd|haproxy):)")
"""stands between descriptions of endpoints; a comma does only in front of the next one"""
_WHOLE_NUMBER = re.compile(r"\s*[+-]?[0-9]+\s*")
_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
_DESCRIPTION = re.compile(r"[a-z][\w-]*:[^\x00-\x1f\x7f]*")
_WEB_ADDRESS = re.compile(r"https?://[^\s/?#]+[!-~]*")
_MAIL_ADDRESS = re.compile(r"[^@\s,<>\"]{1,64}@[\w.-]{1,255}")
_NAME = re.compile(r"[\w.-]+")
_PEM = "-----BEGIN"
"""begins what a file with a certificate or key holds"""
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")
UNIX = "unix"
"""stands among addresses for peers that connect through a Unix socket"""


@dataclass(frozen=True)
class Parser(Generic[T_co]):
    """A parser; ``parse`` raises ValueError for a text that is not ``allowed``."""

    parse: Callable[[str], T_co]
    allowed: str
    write: Callable[[Any], str] | None = None
    """returns the text of a value that has no form in JSON of its own"""
    quotable: bool = True
    """errors may quote the text; not that of a path, in whose place people give what the file holds"""

    def __call__(self, text: str) -> T_co:
        """Return the value of a text.

        :raises ValueError: saying what is allowed, without the text.
        """
        try:
            return self.parse(text)
        except ValueError:
            raise ValueError(f"must be {self.allowed}") from None


def integer(low: int, high: int) -> Parser[int]:
    return Parser(
        lambda text: _within(int(_plain(_WHOLE_NUMBER, text)), low, high),
        f"a whole number from {low} to {high}",
    )


def number(low: float, high: float) -> Parser[float]:
    return Parser(
        lambda text: _within(float(_plain(_NUMBER, text)), low, high),
        f"a number from {low:.10g} to {high:.10g}",
    )


def choice(*words: str, **others: str) -> Parser[str]:
    """Return a parser of one of ``words``; ``others`` are aliases, each with the word that it stands for."""

    def parse(text: str) -> str:
        word = text.strip().lower()
        return words[words.index(others.get(word, word))]

    return Parser(parse, " or ".join(words))


def _plain(form: re.Pattern[str], text: str) -> str:
    # Python reads 1_000 and digits of other scripts, too.
    if not form.fullmatch(text):
        raise ValueError
    return text


def _within(value: Number, low: Number, high: Number) -> Number:
    if not low <= value <= high:
        raise ValueError
    return value


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text.strip()):
        raise ValueError
    return text.strip()


def _text(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError
    return text


def _list(text: str, parse: Callable[[str], T_co]) -> tuple[T_co, ...]:
    values = tuple(parse(part) for part in text.split(","))
    if len(set(values)) != len(values):
        raise ValueError
    return values


def _descriptions(text: str) -> tuple[str, ...]:
    # Commas and colons occur in descriptions.
    found = tuple(part for part in _SEPARATOR.split(text) if part)
    if len(set(found)) != len(found) or not all(_DESCRIPTION.fullmatch(each) for each in found):
        raise ValueError
    return found


def _networks(text: str) -> tuple[str, ...]:
    found = [part for part in re.split(r"[\s,;]+", text.strip().lower()) if part]
    return tuple(
        dict.fromkeys(each if each == UNIX else str(ip_network(each, strict=False)) for each in found)
    )


def _boolean(text: str) -> bool:
    return (_TRUE + _FALSE).index(text.strip().lower()) < len(_TRUE)


def _path(text: str) -> Path:
    if _PEM in text:
        raise ValueError
    try:
        return Path(_text(text.strip())).expanduser()
    except RuntimeError:
        raise ValueError from None  # ~ of a user that does not exist, or has no home


def _optional_server(text: str) -> str:
    text = text.strip()
    if not text:
        return ""
    name, colon, number = text.rpartition(":")
    if not colon or not number.isascii() or not number.isdigit() or not 0 < int(number) < 65536:
        raise ValueError
    return f"{_matching(_HOST, name)}:{int(number)}"


_NOT_OURS = ("$SYS", "$share")
"""first levels on which brokers take no message from a client"""


def _topic(text: str) -> str:
    topic = _text(text.strip()).rstrip("/")
    if not topic or "+" in topic or "#" in topic or topic.partition("/")[0] in _NOT_OURS:
        raise ValueError
    return topic


def _url(text: str) -> str:
    url = _text(text.strip())
    if url and not _WEB_ADDRESS.fullmatch(url):
        raise ValueError
    return url


def _addresses(text: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if not all(_MAIL_ADDRESS.fullmatch(each) for each in found):
        raise ValueError
    return found


def _list_of_one(values: tuple[T_co, ...]) -> tuple[T_co, ...]:
    if len(values) > 1:
        raise ValueError
    return values


def _zone(text: str) -> str:
    try:
        return ZoneInfo(text.strip()).key
    except (KeyError, OSError):
        raise ValueError from None


text = Parser(_text, "text on one line")
host = Parser(lambda text: _matching(_HOST, text), "a host name or an address")
optional_server = Parser(_optional_server, "host:port; may be empty")
optional_host = Parser(
    lambda text: _matching(_HOST, text) if text.strip() else "", "a host name or an address; may be empty"
)
ports = Parser(
    lambda text: _list(text, integer(1, 65535).parse), "ports from 1 to 65535, each once, separated by commas"
)
names = Parser(
    lambda text: _list(text, lambda name: _matching(_NAME, name)), "names, each once, separated by commas"
)
optional_names: Parser[tuple[str, ...]] = Parser(
    lambda text: names.parse(text) if text.strip() else (),
    "names, each once, separated by commas; may be empty",
)
descriptions: Parser[tuple[str, ...]] = Parser(
    _descriptions,
    "endpoints such as tcp:16018 or systemd:domain=INET:index=0, separated by spaces or semicolons;"
    " may be empty",
)
networks: Parser[tuple[str, ...]] = Parser(
    _networks,
    f"addresses and networks such as 127.0.0.1 or 10.0.0.0/8, or {UNIX}, separated by commas; may be empty",
)
boolean = Parser(_boolean, "true or false")
path = Parser(_path, "a path", quotable=False)
optional_path: Parser[Path | None] = Parser(
    lambda text: _path(text) if text.strip() else None, "a path; may be empty", quotable=False
)
optional_eui: Parser[EUI | None] = Parser(
    lambda text: parse_eui(text) if text.strip() else None, "16 hexadecimal digits; may be empty"
)
url = Parser(_url, "a URL that begins with http:// or https://; may be empty")
addresses: Parser[tuple[str, ...]] = Parser(_addresses, "mail addresses, separated by commas; may be empty")
address: Parser[str] = Parser(
    lambda text: next(iter(_list_of_one(_addresses(text))), ""), "a mail address; may be empty"
)
topic = Parser(_topic, "a topic without + and #, not below $SYS or $share")
zone = Parser(_zone, "a name of the IANA time zone database, for example UTC or Europe/Berlin")
