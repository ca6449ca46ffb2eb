"""What is said before the first byte is passed on: three frames, each at most 2 KiB, and then nothing of ours.

    relay -> portal    {"nonce"}
    portal -> relay    {"attempt", "target", "arguments", "nonce", "proof"}
    relay -> portal    {"proof"}, or {"code", "message"} where it refuses

A frame is two bytes of length (big-endian) and JSON. Each side proves that it knows the attempt's secret, over both
nonces and all that is asked for: so nothing can be replayed, and nobody else answers in the relay's place.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portal.people.sealing import derived

FRAME_MAX = 2048
PATIENCE_S = 10.0


class Refused(Exception):
    """Raised where the relay does not connect. str = what happened and what to do; `code` tells the cases apart.

    Try again: `starting`, `not_listening`, `away` (the relay can't be reached, or does not tend the attempt now), `busy`
    (too many connections). For good: `gone`, `not_allowed`, `unable` (the worker lacks the rights).
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Malformed(Exception):
    """Raised for a frame that is none, or too long."""


@dataclass(frozen=True)
class Asking:
    """What the portal asks for. `arguments` are the target's own: texts by name."""

    attempt: str
    target: str
    arguments: Mapping[str, str]

    def signed(self) -> bytes:
        return json.dumps([self.attempt, self.target, sorted(self.arguments.items())]).encode()


def secret_of(attempt: str) -> bytes:
    """The secret of an attempt (by its name), which only processes that hold the installation's key can tell."""
    return derived(f"relay {attempt}", 32)


def nonce() -> str:
    return secrets.token_hex(16)


def proof(side: str, relay_nonce: str, portal_nonce: str, asking: Asking) -> str:
    """`side` is portal or relay: what one has said can't be said by the other."""
    said = b"\0".join((side.encode(), relay_nonce.encode(), portal_nonce.encode(), asking.signed()))
    return hmac.new(secret_of(asking.attempt), said, hashlib.sha256).hexdigest()


def proves(given: object, side: str, relay_nonce: str, portal_nonce: str, asking: Asking) -> bool:
    return isinstance(given, str) and hmac.compare_digest(
        given.encode(), proof(side, relay_nonce, portal_nonce, asking).encode()
    )


def framed(said: Mapping[str, Any]) -> bytes:
    """Raises Malformed where it does not fit."""
    body = json.dumps(said).encode()
    if len(body) > FRAME_MAX:
        raise Malformed("The frame is too long.")
    return len(body).to_bytes(2, "big") + body


def length_of(head: bytes) -> int:
    """Of a frame, by its first two bytes. Raises Malformed."""
    length = int.from_bytes(head[:2], "big")
    if not 2 <= length <= FRAME_MAX:
        raise Malformed("This is no frame of the relay's.")
    return length


def unframed(body: bytes) -> dict[str, Any]:
    """Raises Malformed."""
    try:
        said = json.loads(body)
    except ValueError:
        raise Malformed("This is no frame of the relay's.") from None
    if not isinstance(said, dict):
        raise Malformed("This is no frame of the relay's.")
    return said


def asking_of(said: Mapping[str, Any]) -> tuple[Asking, str, str]:
    """What is asked for, the portal's nonce and its proof. Raises Malformed."""
    arguments = said.get("arguments", {})
    texts = [said.get(name) for name in ("attempt", "target", "nonce", "proof")]
    if not all(isinstance(text, str) for text in texts) or not isinstance(arguments, dict):
        raise Malformed("This is no frame of the relay's.")
    if not all(isinstance(value, str) for value in arguments.values()):
        raise Malformed("This is no frame of the relay's.")
    attempt, target, nonce_, proof_ = map(str, texts)
    return Asking(attempt, target, arguments), nonce_, proof_
