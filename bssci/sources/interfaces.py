"""The interface of a source, for authors of sources: see ``docs/plugins.md``."""

from __future__ import annotations

from zope.interface import Attribute, Interface

from bssci.settings.rows import PluginSetting

SourceSetting = PluginSetting
"""A setting of a source: read from the environment or ``.env`` under its name, ``SOURCE_SERIAL_PORT``."""


class ISource(Interface):
    """A provider of telegrams. All methods are called in the reactor's thread.

    A source may also have an attribute or property ``trouble``: a short text that says why it brings
    nothing now, empty or None while all is well. It is shown in status, health and alarms.

    It may also have a method ``publish(topic, payload)``, which sends a message the other way and returns a
    Deferred that fires when the other side has it: it is used for commands to controllers that the source
    heard.
    """

    def start(ingest):
        """Start. Called once; must not block, and need not wait for the other side. If it raises, the failure
        is logged and it is called again after growing delays.

        :param ingest: :class:`bssci.center.interfaces.IIngest`. Called with a list of
            :class:`bssci.model.Telegram`, it returns a Deferred that fires when they are on disk: only then
                may the other side be told. If the Deferred fails, nothing was taken: offer the telegrams
                again later, and let the other side keep them until then. It enforces the bounds of the
                source (``SOURCE_RATE``, ``SOURCE_SHARE``) and counts what the source brings.
        """

    def stop():
        """Stop; returns a Deferred, which is given a few seconds.

        Telegrams that are on their way to the disk may still be acknowledged to the other side.
        """


class ISourceFactory(Interface):
    """Makes a source. A module in ``bssci.plugins`` offers an object that provides this.

    It may also have a method ``check(settings)`` for ``bssci check``, as a sink's factory may.
    """

    name = Attribute("how SOURCES names it: lower-case letters, digits, ``_`` and ``-``; unique")
    description = Attribute("one line for people")
    settings = Attribute(
        "a :class:`bssci.settings.groups.Group`, or a sequence, perhaps empty: a :class:`SourceSetting` for"
        " each setting of its own, and the name of each setting of the service that it needs"
    )

    def build(settings, center):
        """Return the source.

        :param settings: the value of each of :attr:`settings`, parsed, by its name.
        :param center: :class:`bssci.center.interfaces.ICenter`: the service's state and commands; commands
            are in the audit log under the source's name.
        :raises ValueError: with one line that says which setting to change; stops the start.
        """
