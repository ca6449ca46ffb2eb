"""What a browser would send of a page, read from its HTML by the rules of the HTML standard ("form data set")."""

from __future__ import annotations

import re
from html.parser import HTMLParser

Pairs = list[tuple[str, list[str]]]


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.sent: list[tuple[str, str]] = []
        self.disabled = 0
        self.fieldsets: list[bool] = []
        self.select: tuple[str, bool] | None = None
        self.options: list[tuple[str, bool]] = []
        self.option: list[str] | None = None
        self.text: tuple[str, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = dict(attrs)
        off = self.disabled > 0 or "disabled" in has
        name = has.get("name") or ""
        if tag == "fieldset":
            self.fieldsets.append("disabled" in has)
            self.disabled += "disabled" in has
        elif tag == "input" and name and not off:
            kind, value = has.get("type", "text"), has.get("value")
            if kind in ("checkbox", "radio"):
                if "checked" in has:
                    self.sent.append((name, "on" if value is None else value))
            elif kind not in ("submit", "button"):
                self.sent.append((name, re.sub(r"[\r\n]", "", value or "")))
        elif tag == "select":
            self.select, self.options = (name, off), []
        elif tag == "option" and self.select:
            self.options.append((has.get("value") or "", "selected" in has))
        elif tag == "textarea":
            self.text = ("" if off else name, [])

    def handle_endtag(self, tag: str) -> None:
        if tag == "fieldset":
            self.disabled -= self.fieldsets.pop()
        elif tag == "select" and self.select:
            name, off = self.select
            chosen = [value for value, selected in self.options if selected] or [v for v, _ in self.options[:1]]
            if name and not off and chosen:
                self.sent.append((name, chosen[-1]))
            self.select = None
        elif tag == "textarea" and self.text:
            name, pieces = self.text
            value = "".join(pieces).replace("\r\n", "\n").replace("\r", "\n").removeprefix("\n")
            if name:
                self.sent.append((name, value.replace("\n", "\r\n")))
            self.text = None

    def handle_data(self, data: str) -> None:
        if self.text:
            self.text[1].append(data)


def sent_by(html: str) -> Pairs:
    """Names and values, values of one name together, in the order of the page."""
    form = _Form()
    form.feed(html.replace("\0", "\ufffd"))
    form.close()
    found: dict[str, list[str]] = {}
    for name, value in form.sent:
        found.setdefault(name, []).append(value)
    return list(found.items())
