"""Icons: whatever an author put into a definition becomes a PNG of ours, at most 128 x 128, or a letter tile."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

from apps_catalog import svg

ICONS_KEPT = 256
BYTES_MAX = 4 * 2**20
BLANKS = re.compile(r"\s+")
DATA_URL = re.compile(r"\Adata:[\w.+/;=-]{0,80},")


@dataclass(frozen=True)
class Icon:
    """A PNG, or None with what is wrong; neither where the author gave no icon."""

    png: bytes | None = None
    problem: str = ""


_drawn: dict[str, Icon] = {}  # by what they were drawn from, oldest first
_drawn_lock = Lock()


def draw(data: str, kind: str) -> Icon:
    """The icon that a definition's base64 text holds. Never raises; bounded in bytes, pixels and, for SVG, in seconds.

    The last ones are kept: versions of an app have the same icon, and one SVG costs a process.
    """
    if not data:
        return Icon()
    mark = hashlib.sha256(f"{kind}\n{data}".encode("utf-8", "replace")).hexdigest()
    found = _drawn.get(mark)
    if found is None:
        found = _draw(data, kind)
        if found.png is None:
            return found  # perhaps only because the machine was too busy
        with _drawn_lock:
            _drawn[mark] = found
            if len(_drawn) > ICONS_KEPT:
                del _drawn[next(iter(_drawn))]
    return found


def _draw(data: str, kind: str) -> Icon:
    text = DATA_URL.sub("", BLANKS.sub("", data))
    if not text:
        return Icon()
    if len(text) * 3 // 4 > BYTES_MAX:
        return Icon(problem=f"The icon is larger than {BYTES_MAX // 2**20} MiB; a placeholder is shown.")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return Icon(problem="The icon is not base64 text; a placeholder is shown. Make it with: base64 -w0 icon.png")
    from apps_catalog import pictures

    if svg.looks_like(raw, kind):
        drawn = svg.draw(raw, pictures.EDGE)
        if drawn is None:
            return Icon(problem="The SVG icon could not be drawn safely; a placeholder is shown. A PNG always works.")
        raw = drawn
    try:
        return Icon(png=pictures.small_png(raw))
    except Exception:  # noqa: BLE001 - decoders raise a dozen kinds of error on bad bytes; all mean a bad icon
        return Icon(problem="The icon could not be read as PNG, JPEG, GIF, ICO, WebP or SVG; a placeholder is shown.")


def digest_of(png: bytes) -> str:
    return hashlib.sha256(png).hexdigest()


@lru_cache(maxsize=512)
def placeholder(name: str) -> bytes:
    """A tile that is always the same for a name: its first letter, or a pattern where our font has no such letter."""
    from apps_catalog import pictures

    return pictures.tile(name)
