"""A page taken apart: enough to say what a screen reader, a browser's policy and a reader of links would."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


@dataclass
class Element:
    """One element with all text in it."""

    tag: str
    attributes: dict[str, str]
    ancestors: list[Element]
    _texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self._texts)

    def __getitem__(self, name: str) -> str:
        return self.attributes.get(name, "")

    def within(self, tag: str) -> Element | None:
        return next((each for each in reversed(self.ancestors) if each.tag == tag), None)


@dataclass
class Document(HTMLParser):
    """Every element of a page, in its order."""

    source: str
    elements: list[Element] = field(default_factory=list)
    _open: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.source)
        self.close()
        assert not self._open, f"not closed: {[each.tag for each in self._open]}"

    __hash__ = object.__hash__

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, list(self._open))
        self.elements.append(element)
        if tag not in VOID and not self.get_starttag_text().endswith("/>"):  # type: ignore[union-attr]
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open[-1].tag == tag, f"</{tag}> closes {self._open[-1:]}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element._texts.append(data)

    def all(self, *tags: str) -> list[Element]:
        return [each for each in self.elements if each.tag in tags]

    def one(self, tag: str) -> Element:
        found = self.all(tag)
        assert len(found) == 1, f"{len(found)} times <{tag}>"
        return found[0]


def faults(page: Document) -> list[str]:
    """What a strict policy would block, or people with a screen reader or a keyboard would miss."""
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
        if each.tag == "nav" and not (each["aria-label"] or each["aria-labelledby"]):
            found.append(f"no name: {where}")
        if each.tag == "th" and not each["scope"]:
            found.append(f"no scope: {where}")
        if each.tag == "script" and (each.text.strip() or not each["src"]):
            found.append(f"inline script {where}")
        if each.tag == "style":
            found.append("inline style sheet")
        for name in ("src", "href"):
            if each[name].startswith(("http:", "https:", "//")):
                found.append(f"loaded from elsewhere: {where}")
    return found
