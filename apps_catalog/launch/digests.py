"""Digests of what authors write."""

from __future__ import annotations

import hashlib


def digest_of_texts(definition: str, schema_text: str = "") -> str:
    """sha256 of a definition, and of the schema.json beside it where there is one."""
    whole = f"{definition}\0{schema_text}" if schema_text else definition
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()
