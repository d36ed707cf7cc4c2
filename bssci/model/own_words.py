"""A text that a plugin says about itself, as one line that can be shown anywhere."""

from __future__ import annotations

LONGEST = 500
"""characters of the line that are kept"""
_READ = 10 * LONGEST
"""characters of the text that are looked at"""


def own_words(plugin: object, name: str) -> str:
    """Return the text that a plugin has as an attribute, such as ``trouble``; empty if it has none.

    A plugin may be faulty: whatever the attribute is or raises, this returns a line that can be shown.
    """
    try:
        said = getattr(plugin, name, None)
        return one_line(str(said)) if said else ""
    except Exception as error:  # a third party's attribute may raise anything
        return f"its {name} cannot be read: {fault_of(error)}"


def fault_of(error: BaseException) -> str:
    """Return the type and the message of an exception in one line; never fails, whatever the exception."""
    kind = type(error).__name__
    try:
        text = one_line(str(error))
    except Exception:  # an exception of a third party, whose text cannot be made either
        return kind
    return f"{kind}: {text}" if text else kind


def one_line(text: str) -> str:
    """Return the beginning of a text in one line, with � in place of what cannot be shown."""
    line = " ".join(text[:_READ].split())
    line = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line)
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
