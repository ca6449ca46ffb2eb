"""Which vaults an app may be launched with: the types it lists, against the type of a vault."""

from __future__ import annotations

from collections.abc import Sequence

NONE = "NONE"
EVERY = frozenset({"FILE", "OBJECT", "BLOCK", "BLOCK_ARRAY"})

# To a program every vault is a folder at /data. Most published definitions list OBJECT alone and mean "files"; what
# asks for a block device wants a disk that is its own, which a copy fetched from a bucket is not.
ACCEPTED = {
    NONE: frozenset[str](),
    "FILE": EVERY,
    "OBJECT": frozenset({"FILE", "OBJECT"}),
    "BLOCK": frozenset({"FILE", "BLOCK", "BLOCK_ARRAY"}),
    "BLOCK_ARRAY": frozenset({"FILE", "BLOCK", "BLOCK_ARRAY"}),
}


def accepts(listed: Sequence[str], vault_type: str) -> bool:
    """Whether an app that lists these types (none at all: every type) runs with a vault of this type; NONE is no vault.

    An app that lists NONE alone works without storage. Without storage runs what lists NONE, and what lists no type
    that is a file system of its own: OBJECT alone never promised one.
    """
    if vault_type == NONE:
        return NONE in listed or "FILE" not in listed
    if not listed:
        return True
    return any(vault_type in ACCEPTED.get(one, frozenset()) for one in listed)


def takes_storage(listed: Sequence[str]) -> bool:
    """Whether the app runs with a vault at all."""
    return not listed or any(one != NONE for one in listed)
