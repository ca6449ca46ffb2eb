"""What the templates of schema forms ask for: safe Markdown, counts, and which sections stand open."""

from __future__ import annotations

import re
from functools import lru_cache

import nh3
from django import template
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

from apps_catalog.launch.json_schema import addresses
from apps_catalog.launch.json_schema.drawn import Drawn, DrawnPart, Members

register = template.Library()

MAX_HELP = 20_000
TAGS = {"p", "br", "ul", "ol", "li", "code", "pre", "em", "strong", "del", "a", "blockquote", "hr", "table", "thead"}
TAGS |= {"tbody", "tr", "th", "td"}
# Raw HTML stays text, and pictures would be fetched from elsewhere.
MARKDOWN = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table").disable("image")


@register.filter
def help_markdown(text: str) -> SafeString:
    """An author's Markdown as HTML of a few tags; links open nothing but web and mail addresses."""
    return mark_safe(_cleaned(text[:MAX_HELP]))  # noqa: S308  nh3 has cleaned it


@lru_cache(maxsize=4096)
def _cleaned(text: str) -> str:
    html = MARKDOWN.render(text)
    # Headings would stand among those of the page.
    html = re.sub(r"<h[1-6]>", "<p><strong>", html)
    html = re.sub(r"</h[1-6]>", "</strong></p>", html)
    return nh3.clean(
        html,
        tags=TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )


@register.filter
def field_count(whole: Drawn | Members) -> int:
    """How many fields a person can fill in now."""
    found = 0
    todo = whole.inner if isinstance(whole, Drawn) else inside(whole)
    while todo:
        one = todo.pop()
        found += one.kind not in ("group", "list", "alternatives")
        todo += one.inner
    return found


def inside(members: Members) -> list[Drawn]:
    return Drawn(kind="group", address="", pointer="", label="", members=members).inner


@register.filter
def loose_parts(whole: Drawn) -> list[DrawnPart]:
    """The parts of the root that are no section of their own."""
    return [part for part in whole.members.parts if part.kind != "section"]


@register.filter
def opens(part: DrawnPart) -> bool:
    """A section stands open where it must be looked at: something is demanded, wrong, or it is short of a screen."""
    fields = inside(part.members) if part.members else []
    return any(one.troubled or (one.required and not one.present) for one in fields)


@register.filter
def section_words(part: DrawnPart) -> str:
    """ "14 fields, 2 required"."""
    if part.members is None:
        return ""
    count = field_count(part.members)
    required = sum(one.required for one in inside(part.members))
    words = f"{count} field{'' if count == 1 else 's'}"
    return f"{words}, {required} required" if required else words


@register.filter
def mark(part: DrawnPart, which: str) -> str:
    """The name of the mark that says: this part was drawn."""
    return addresses.name(addresses.GROUP, part.picked_address if which == "picked" else part.address)


@register.filter
def css_id(text: str) -> str:
    """An id as a selector writes it."""
    return re.sub(r"([^a-zA-Z0-9_-])", r"\\\1", text)
