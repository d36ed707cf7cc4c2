"""The interface of a sink, for authors of sinks: see ``docs/plugins.md``."""

from __future__ import annotations

from zope.interface import Attribute, Interface

from bssci.settings.rows import PluginSetting

SinkSetting = PluginSetting
"""A setting of a sink: read from the environment or ``.env`` under its name."""


class ISink(Interface):
    """A receiver of events. All methods are called in the reactor's thread.

    A sink may also have an attribute or property ``trouble``: a short text that says why it cannot deliver
    now, empty or None while it can. It is shown to operators and has no influence on when :meth:`deliver`
    is called. And an attribute or property ``warning``: a short text that says what is wrong although it
    delivers. And an attribute or property ``reached``: False until its other side has answered for the
    first time since the start. Left out, a sink counts as delivering when it has taken events, or has none
    to take.

    It may have an attribute ``set_aside``, a :class:`bssci.sinks.SetAside`: events that it could not store
    and skipped, because they would be refused each time.

    A sink that also takes requests may have a method ``request_figures()``: a dict of ``queued``,
    ``oldest_seconds``, ``answered``, ``failed``, ``rate`` (per second, over the last minute) and
    ``failing``; and perhaps ``misaddressed`` (a number), those that cannot be answered because they name no
    sensor or base station, and ``trouble``, why requests do not reach it, empty if they do.

    It may have an attribute ``replayable``: whether events that were delivered long ago may be delivered
    again in a replay: False (the default), True, or ``"asked"``: only if the request for the replay says so
    explicitly, because others listen to the sink's messages. A sink with a method ``deliver_again(batch)``
    gets such batches there, any other by :meth:`deliver`; never two at a time, unless it has an attribute
    ``gathering`` that is true: then :meth:`deliver` merely waits for more events, and must not keep a replay
    waiting.
    """

    def start() -> None:
        """Begin. Called once, before the first :meth:`deliver`.

        It must not block, and need not wait for the other side: :meth:`deliver` may. If it raises, that is
        logged and it is called again with a growing delay.
        """

    def deliver(batch):
        """Take a batch: a list of ``bssci.model`` events, in the order they happened.

        It may hold any kind of event, also kinds that later versions add: ignore those that you do not
        know. The batch counts as delivered when the Deferred that this returns fires. If that fails, or
        this raises, the same events come again after 1 s, 2 s, 4 s ... 30 s, perhaps followed by others: so
        a sink sees each event at least once, and recognises repetitions by ``Uplink.id``. The next batch
        comes only after this one. However long you take, no other sink is delayed: your backlog is kept in
        the journal.
        """

    def stop():
        """End. Finish what was delivered; returns a Deferred, which is given a few seconds."""


class ISinkFactory(Interface):
    """Makes a sink. A module in ``bssci.plugins`` offers an object that provides this.

    It may also have a method ``check(settings)``, for ``bssci check``. It gets the same settings as
    :meth:`build`, and yields pairs of a level (ok, warning or error) and a line of text: ``("error", "no
    such server")``. It may take a few seconds, and must change nothing.
    """

    name = Attribute("how SINKS names it: lower-case letters, digits, ``_`` and ``-``; unique")
    description = Attribute("one line for people")
    settings = Attribute(
        "a :class:`bssci.settings.groups.Group`, or a sequence, perhaps empty: a :class:`SinkSetting` for"
        " each setting of its own, and the name of each setting of the service that it needs"
    )

    def build(settings, center):
        """Return the sink.

        :param settings: the value of each of :attr:`settings`, parsed, by its name.
        :param center: :class:`bssci.center.interfaces.ICenter`: what the service knows, and its commands,
            which the audit log records under the sink's name.
        :raises ValueError: with one line that says which setting to change; stops the start.
        """
