"""Authors' words as people should read them."""

from __future__ import annotations

import html
import re

UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

VAULT_TYPES = {
    "FILE": "Files of a vault",
    "OBJECT": "Objects of a vault",
    "BLOCK": "A block volume",
    "BLOCK_ARRAY": "Several block volumes",
    "NONE": "No storage",
}


def readable(text: str) -> str:
    """Plain text: `&reg;` becomes ®, as authors mean it; tags stay what they are, text. Templates escape it as ever."""
    return UNSEEN.sub("", html.unescape(text))


def counted(number: int, thing: str) -> str:
    """ "1 app", "2 apps", "10,000 apps"."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
