"""Draws an SVG as PNG in a child process of its own, which loads nothing from outside and has little memory and time.

A few hundred bytes of SVG can ask for hours of drawing, so a bound on bytes alone would not do.
"""

from __future__ import annotations

import multiprocessing
import resource
from multiprocessing.connection import Connection

BYTES_MAX = 2**20
SECONDS = 3
MEMORY_BYTES = 1 << 30


def looks_like(raw: bytes, kind: str) -> bool:
    head = raw[:2000].lstrip(b"\xef\xbb\xbf \t\r\n")
    return kind == "image/svg+xml" or head.startswith(b"<svg") or (head.startswith(b"<?xml") and b"<svg" in head)


def draw(raw: bytes, edge: int) -> bytes | None:
    """A PNG about twice `edge` wide; None where it is no SVG, asks for too much, or the drawing library is missing."""
    if len(raw) > BYTES_MAX:
        return None
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads can hang
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(theirs, raw, edge), daemon=True)
    child.start()
    theirs.close()
    try:
        return ours.recv_bytes(BYTES_MAX * 8) if ours.poll(SECONDS) else None
    except (EOFError, OSError):
        return None
    finally:
        ours.close()
        child.kill()
        child.join()
        child.close()


def _child(answer: Connection, raw: bytes, edge: int) -> None:
    try:
        from cairosvg import svg2png  # before the limits: it looks for its library with a temporary file

        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        answer.send_bytes(svg2png(bytestring=raw, unsafe=False, output_width=edge * 2, output_height=edge * 2))
    except Exception:  # noqa: BLE001 - a bad drawing raises anything; no answer means that it could not be drawn
        answer.close()
