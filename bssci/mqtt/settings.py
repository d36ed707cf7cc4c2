"""The settings of a connection to an MQTT broker: the same rows for every part that has one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from bssci.certificates.reading import read_certificates, read_client_pair
from bssci.mqtt.from_settings import EMBEDDED, connection_settings
from bssci.mqtt.trial import Connects, try_broker
from bssci.settings import parsers
from bssci.settings.groups import Group, ListeningAddress, Values
from bssci.settings.rows import MASK, Origin, Setting, SettingsError
from bssci.settings.trial import try_files


def broker_group(
    title: str,
    prefix: str,
    chosen_by: tuple[str, str],
    others: tuple[Setting, ...] = (),
    about: Callable[[Values], Mapping[str, Any]] | None = None,
    connects: Connects | None = None,
) -> Group:
    """Return the group of a connection to a broker.

    :param prefix: begins the name of each setting: ``MQTT_``.
    :param others: rows beside those of the connection.
    :param about: more about the connection for the service's status.
    :param connects: returns the part's connection settings for the trial; None: they are taken from the
        values alone.
    """
    names = _Names(prefix)
    return Group(
        title,
        (*_rows(prefix), *others),
        chosen_by=chosen_by,
        check=names.check,
        usable=names.usable,
        places=names.places,
        certificates=names.certificates,
        about=lambda values: names.about(values) | dict(about(values) if about is not None else {}),
        trial=lambda values: try_broker(
            values, prefix, connects or partial(connection_settings, prefix=prefix)
        ),
        trial_title="Test the broker",
    )


def _rows(prefix: str) -> tuple[Setting, ...]:
    def row(
        name: str,
        default: str,
        parser: parsers.Parser[Any],
        text: str,
        secret: bool = False,
        private: bool = False,
        trusted: bool = False,
    ) -> Setting:
        return Setting(
            prefix + name, default, parser, text, live=True, secret=secret, private=private, trusted=trusted
        )

    return (
        row(
            "BROKER",
            "localhost",
            parsers.host,
            f"host of the MQTT broker; {EMBEDDED}: a broker of our own on 127.0.0.1",
            trusted=True,
        ),
        row("PORT", "1883", parsers.integer(1, 65535), "port of the MQTT broker", trusted=True),
        row("USERNAME", "", parsers.text, "user at the MQTT broker; empty: none", private=True),
        row("PASSWORD", "", parsers.text, "password at the MQTT broker", secret=True, private=True),
        row(
            "VERSION",
            "3.1.1",
            parsers.choice("3.1.1", "5", "auto"),
            "version of MQTT; auto: 5 if the broker speaks it, else 3.1.1; 5 reports refusals",
        ),
        row("QOS", "1", parsers.integer(0, 2), "MQTT quality of service"),
        row("TLS", "false", parsers.boolean, "TLS to the MQTT broker", trusted=True),
        row(
            "CA_FILE",
            "",
            parsers.optional_path,
            "authorities that may sign the broker's certificate; empty: the system's",
            trusted=True,
        ),
        row("CERT_FILE", "", parsers.optional_path, "certificate shown to the broker; empty: none"),
        row("KEY_FILE", "", parsers.optional_path, f"private key of {prefix}CERT_FILE"),
        row(
            "TRANSPORT",
            "tcp",
            parsers.choice("tcp", "websockets"),
            "how the MQTT broker is reached",
        ),
        row("PATH", "/mqtt", parsers.text, f"path at the broker with {prefix}TRANSPORT=websockets"),
        row(
            "CLIENT_ID",
            "",
            parsers.text,
            "client identifier at the MQTT broker; empty: one that stays the same for this installation",
        ),
    )


class _Names:
    """Checks and facts about the values of a group's settings.

    :param prefix: begins the name of each setting.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def check(self, values: Values, origins: Mapping[str, Origin]) -> Iterator[str]:
        """Refuse what contradicts itself; warn of what has no effect."""
        prefix = self._prefix

        def refuse(name: str, allowed: str) -> SettingsError:
            value = MASK if name == "PASSWORD" else repr(str(values[prefix + name]))
            return SettingsError(f"{prefix}{name}={value} ({origins[prefix + name]}): {allowed}")

        certificate, key = values[f"{prefix}CERT_FILE"], values[f"{prefix}KEY_FILE"]
        if certificate and not key:
            raise refuse("CERT_FILE", f"needs {prefix}KEY_FILE too")
        if key and not certificate:
            raise refuse("KEY_FILE", f"needs {prefix}CERT_FILE too")
        if values[f"{prefix}PASSWORD"] and not values[f"{prefix}USERNAME"]:
            raise refuse("PASSWORD", f"needs {prefix}USERNAME too")
        tls, tcp = values[f"{prefix}TLS"], values[f"{prefix}TRANSPORT"] == "tcp"
        if values[f"{prefix}BROKER"] == EMBEDDED and (tls or not tcp):
            needs = f"the embedded broker needs {prefix}TLS=false and {prefix}TRANSPORT=tcp"
            raise refuse("BROKER", needs)
        if not tls and (values[f"{prefix}CA_FILE"] or certificate):
            yield f"{prefix}CA_FILE and {prefix}CERT_FILE have no effect: {prefix}TLS is false"

    def usable(self, values: Values, changed: Collection[str]) -> None:
        """Read the files that changed, or that come into use.

        :raises SettingsError: one cannot be used.
        """
        prefix = self._prefix
        files = [f"{prefix}CA_FILE", f"{prefix}CERT_FILE", f"{prefix}KEY_FILE"]
        if values[f"{prefix}TLS"]:
            files.append(f"{prefix}TLS")
        try_files(values, [name for name in files if name in changed], lambda: self._read(values))

    def _read(self, values: Values) -> None:
        prefix = self._prefix
        authorities, certificate = values[f"{prefix}CA_FILE"], values[f"{prefix}CERT_FILE"]
        if authorities:
            read_certificates(authorities, f"{prefix}CA_FILE")
        if certificate:
            read_client_pair(certificate, values[f"{prefix}KEY_FILE"], prefix)

    def about(self, values: Values) -> dict[str, Any]:
        """Return where the broker is."""
        return {"broker": values[f"{self._prefix}BROKER"], "port": values[f"{self._prefix}PORT"]}

    def places(self, values: Values) -> Iterator[ListeningAddress]:
        """Yield where the embedded broker listens."""
        if values[f"{self._prefix}BROKER"] == EMBEDDED:
            port = f"{self._prefix}PORT"
            yield ListeningAddress(port, f"{self._prefix}BROKER", "127.0.0.1", values[port])

    def certificates(self, values: Values) -> Mapping[str, Path]:
        """Return the certificate that is shown to the broker."""
        certificate = values[f"{self._prefix}CERT_FILE"]
        return {"MQTT client": certificate} if values[f"{self._prefix}TLS"] and certificate else {}
