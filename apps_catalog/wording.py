"""Words for pages: names of vault types, and things counted."""

from __future__ import annotations

VAULT_TYPES = {
    "FILE": "Files of a vault",
    "OBJECT": "Objects of a vault",
    "BLOCK": "A block volume",
    "BLOCK_ARRAY": "Several block volumes",
    "NONE": "No storage",
}


def counted(number: int, thing: str) -> str:
    """ "1 app", "2 apps", "10,000 apps"."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
