"""The interface of a sink, for those who write one: see ``docs/plugins.md``."""

from __future__ import annotations

from zope.interface import Attribute, Interface

from bssci.settings.rows import PluginSetting

SinkSetting = PluginSetting
"""A setting of a sink: read from the environment or ``.env`` under its name."""


class ISink(Interface):
    """A receiver of events. All methods are called in the reactor's thread.

    A sink may have an attribute or property ``trouble`` as well: a short text that says
    why it cannot deliver now, empty or None while it can. Whoever watches the service
    is told; it has no influence on when :meth:`deliver` is called.

    And it may have an attribute ``set_aside``, a :class:`bssci.sinks.SetAside`: what it
    could not store and passed over, because it would be refused each time it came.

    And, if requests come in by it, a method ``request_figures()``: a dict of ``queued``, ``oldest_seconds``,
    ``answered``, ``failed``, ``rate`` (a second, over the last minute) and ``failing``.

    And ``replayable``: whether what was delivered long ago may be delivered again, because somebody asks
    for it: False (as without it), True, or ``"asked"``: only if that is said in so many words, because
    people listen. A sink with a method ``deliver_again(batch)`` gets such batches there, else by
    :meth:`deliver`; never two at a time.
    """

    def start() -> None:
        """Begin. Called once, before the first :meth:`deliver`.

        Must not block and need not wait for the other side: :meth:`deliver` may.
        If it raises, that is logged and it is called again, later and later.
        """

    def deliver(batch):
        """Take a batch: a list of ``bssci.model`` events, in the order they happened.

        It may hold any kind of event, also kinds that later versions add: ignore
        what you do not know. The batch counts as delivered when the Deferred that
        this returns fires. If that fails, or this raises, the same events come
        again after 1 s, 2 s, 4 s ... 30 s, perhaps with others behind them: so a
        sink sees each event at least once, and ``Uplink.id`` tells repetitions.
        The next batch comes only after this one. However long you take, you delay
        nobody: your backlog is kept in the journal.
        """

    def stop():
        """End. Finish what was delivered; returns a Deferred, which is given a few seconds."""


class ISinkFactory(Interface):
    """Makes a sink. A module in ``bssci.plugins`` offers an object that provides this.

    It may have a method ``check(settings)`` as well, for ``bssci check``. It is given what
    :meth:`build` is given, and yields lines for people, each after its level ok, warning or
    error: ``("error", "no such server")``. It may take a few seconds, and changes nothing.
    """

    name = Attribute("how SINKS names it: lower-case letters, digits, ``_`` and ``-``; unique")
    description = Attribute("one line for people")
    settings = Attribute(
        "a :class:`bssci.settings.groups.Group`, or a sequence, perhaps empty: a :class:`SinkSetting` for"
        " each setting of its own, and the name of each setting of the service that it wants to know"
    )

    def build(settings, center):
        """Return the sink.

        :param settings: the value of each of :attr:`settings`, parsed, by its name.
        :param center: :class:`bssci.center.interfaces.ICenter`: what the service knows, and its commands,
            which the audit log has under the sink's name.
        :raises ValueError: with one line that says which setting to change; stops the start.
        """
