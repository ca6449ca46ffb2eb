"""Secrets at rest: sealed with a key that is not in the database, opened where they are used."""

from __future__ import annotations

import base64
from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from portal.errors import Conflict

VALUE_BYTES_MAX = 32 * 1024


def value_fault(value: object) -> str:
    """Why this can't be kept for a program to be given, as what is said of it; "" where it can. Never repeats it."""
    if not isinstance(value, str) or not value:
        return "must be filled in"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "is not valid Unicode text"
    if "\0" in value:
        return "holds a NUL, which no program can be given"
    return "" if size <= VALUE_BYTES_MAX else f"has {size:,} bytes; the most is {VALUE_BYTES_MAX:,}"


def seal(text: str) -> str:
    """The text as a token that only this installation's key opens."""
    return _box().encrypt(text.encode()).decode("ascii")


def unseal(sealed: str) -> str:
    """What was sealed; "" for "". Raises Conflict where the key is another one now."""
    if not sealed:
        return ""
    try:
        return _box().decrypt(sealed).decode()
    except InvalidToken:
        raise Conflict(
            "A stored secret can't be opened: the key of this installation (SECRETS_KEY) is another one now. Set it anew.",
            code="sealed",
        ) from None


def derived(purpose: str, length: int) -> bytes:
    """`length` bytes that follow from the installation's key and the purpose alone, and tell nothing of either."""
    key = settings.SECRETS_KEY.encode()
    return HKDF(SHA256(), length, salt=None, info=f"slipway {purpose}".encode()).derive(key)


@cache
def _box_of(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet(
        [
            Fernet(
                base64.urlsafe_b64encode(HKDF(SHA256(), 32, salt=None, info=b"slipway sealing").derive(key.encode()))
            )
            for key in keys
        ]
    )


def _box() -> MultiFernet:
    """The newest key seals; older ones (SECRETS_KEY_OLD) still open."""
    return _box_of((settings.SECRETS_KEY, *settings.SECRETS_KEY_OLD))
