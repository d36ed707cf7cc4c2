"""A page taken apart: enough to say what a screen reader, a browser's policy and a reader of links would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from html import unescape

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
RAW = ("script", "style", "textarea", "title")
"""elements whose text holds no elements"""
_TAG = re.compile(
    r"""<!--.*?--> | <!doctype[^>]*> | <(/?)([a-zA-Z][\w-]*) ((?:[^<>"']|"[^"]*"|'[^']*')*) >""",
    re.X | re.S | re.I,
)
_STRAY = re.compile(r"<[a-zA-Z/!?]")
_ATTRIBUTE = re.compile(r"""([^\s=/"']+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"']+)))?""")


@dataclass(eq=False)
class Element:
    """One element of a page."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None
    page: Document = field(repr=False)
    begin: int = 0
    end: int = 0
    """places of its text among the page's texts"""

    @property
    def text(self) -> str:
        """All text in it."""
        return "".join(self.page.texts[self.begin : self.end])

    @property
    def ancestors(self) -> list[Element]:
        """What it is in, the nearest first."""
        return [] if self.parent is None else [self.parent, *self.parent.ancestors]

    def __getitem__(self, name: str) -> str:
        return self.attributes.get(name, "")

    def within(self, tag: str) -> Element | None:
        return next((each for each in self.ancestors if each.tag == tag), None)


class Document:
    """Every element of a page, in its order; each is closed where it was opened."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.elements: list[Element] = []
        self.texts: list[str] = []
        inner: Element | None = None
        for closes, tag, attributes in self._tags(source):
            if closes:
                assert inner is not None and inner.tag == tag, f"</{tag}> closes {inner}"
                inner.end = len(self.texts)
                inner = inner.parent
                continue
            element = Element(tag, _attributes(attributes), inner, self, len(self.texts), len(self.texts))
            self.elements.append(element)
            if tag not in VOID and not attributes.endswith("/"):
                inner = element
        assert inner is None, f"not closed: {inner}"

    def _tags(self, source: str) -> Iterator[tuple[str, str, str]]:
        """Yield whether it closes, name and attributes of each tag, after the text before it was kept."""
        place = 0
        raw = ""
        for tag in _TAG.finditer(source):
            name = (tag[2] or "").lower()
            if raw and (tag[1], name) != ("/", raw):
                continue
            text = source[place : tag.start()]
            assert raw or not _STRAY.search(text), f"no markup, and no text: {text}"
            if text:
                self.texts.append(text if raw in ("script", "style") else unescape(text))
            place = tag.end()
            raw = "" if tag[1] or name not in RAW else name
            if name:
                yield tag[1], name, tag[3]

    def all(self, *tags: str) -> list[Element]:
        return [each for each in self.elements if each.tag in tags]

    def one(self, tag: str) -> Element:
        found = self.all(tag)
        assert len(found) == 1, f"{len(found)} times <{tag}>"
        return found[0]


@lru_cache(maxsize=20_000)
def _attributes(text: str) -> dict[str, str]:
    """Return the attributes of a tag; pages hold the same tags over and over, so nobody changes them."""
    return {
        name.lower(): unescape(double or single or bare)
        for name, double, single, bare in _ATTRIBUTE.findall(text)
    }


def faults(page: Document) -> list[str]:
    """What a strict policy would block, people with a screen reader or a keyboard would miss, or a form would
    lose or give away.
    """
    found = []
    ids = [each["id"] for each in page.elements if each["id"]]
    found += [f"id {name} twice" for name in sorted({name for name in ids if ids.count(name) > 1})]
    labelled = {each["for"] for each in page.all("label")}
    for each in page.elements:
        where = f"<{each.tag} {each.attributes}>"
        found += [
            f"{name} in {where}" for name in each.attributes if name == "style" or name.startswith("on")
        ]
        for name in ("aria-labelledby", "aria-describedby", "popovertarget", "for"):
            found += [f"{name} to nowhere in {where}" for target in each[name].split() if target not in ids]
        if (
            each.tag in ("input", "select", "textarea")
            and each["type"] != "hidden"
            and "hidden" not in each.attributes
        ):
            named = each["aria-label"] or each["id"] in labelled or each.within("label")
            found += [] if named else [f"no label: {where}"]
        if each.tag in ("button", "a") and not (each.text.strip() or each["aria-label"]):
            found.append(f"no name: {where}")
        if each.tag == "form" and not (each["action"] or each["method"] == "dialog"):
            found.append(f"sent as part of an address while no script runs: {where}")
        found += [f"cuts off what is pasted: {where}"] if "maxlength" in each.attributes else []
        if each.tag == "nav" and not (each["aria-label"] or each["aria-labelledby"]):
            found.append(f"no name: {where}")
        if each.tag == "th" and not each["scope"]:
            found.append(f"no scope: {where}")
        if each.tag == "script" and (each.text.strip() or not each["src"]):
            found.append(f"inline script {where}")
        if each.tag == "style":
            found.append("inline style sheet")
        is_lost = each["href"].startswith("#") and each["href"][1:] not in ids
        found += [f"link to nowhere: {where}"] if is_lost else []
        for name in ("src", "href"):
            if each[name].startswith(("http:", "https:", "//")):
                found.append(f"loaded from elsewhere: {where}")
    return found
