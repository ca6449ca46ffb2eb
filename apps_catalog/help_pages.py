"""The help that an image brings: HTML of a stranger's, cleaned each time it is shown, and never active."""

from __future__ import annotations

from functools import lru_cache

import nh3
from django.utils.safestring import SafeString, mark_safe

LENGTH_MAX = 300_000
TAGS = {
    *(
        "a",
        "abbr",
        "b",
        "blockquote",
        "br",
        "code",
        "dd",
        "dl",
        "dt",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
    ),
    *(
        "kbd",
        "li",
        "ol",
        "p",
        "pre",
        "s",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "th",
    ),
    *("thead", "tr", "u", "ul", "div"),
}


@lru_cache(maxsize=32)
def cleaned(html: str) -> SafeString:
    """Words, headings, lists, tables and links of an HTML text; no script, style, picture, form or frame of it."""
    text = nh3.clean(
        html[:LENGTH_MAX],
        tags=TAGS,
        clean_content_tags={"script", "style", "title"},
        attributes={"a": {"href", "title"}, "td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(text)  # noqa: S308  nothing but the tags and attributes above is left in it
