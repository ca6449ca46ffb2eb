"""What goes between a browser and a session: bytes of the terminal, and messages. The portal passes both on as they are.

To and from the browser they are binary and text frames of a WebSocket; over the relay each is a frame of its own: its kind
(0 bytes, 1 message), the length of what follows in four bytes, big-endian, and that. A message is a JSON object with `type`:

From the session:
    hello    {session, columns, rows, replay, writer, you_type, may_type, owner, team_types, viewers, kind}
             the first; `replay` bytes of what was shown before follow, which the terminal must answer nothing of
    writer   {writer, you_type, may_type, team_types, viewers}   who has the keyboard, when that changes
    size     {columns, rows}              as whoever has the keyboard shows it
    skipped  {bytes}                      left out here: this viewer was too slow
    taken    {bytes}                      of what was typed, so much has reached the program
    end      {exit_code, reason}          the last; exit_code may be null
    replaced {}                           the last: the same tab has connected anew
From the browser:
    size     {columns, rows}              how much of it fits; counts while this viewer has the keyboard
    seen     {bytes}                      so many bytes were drawn since the last time
    take     {}                           the keyboard, please
    team     {types}                      the owner lets teammates type, or not (true, false)
    end      {}                           the owner ends a shell that was opened beside a job
From the portal, where there is no session (yet): refused {code, message}, and then it closes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

BYTES, MESSAGE = 0, 1
FRAME_MAX = 64 * 1024
COLUMNS_MAX, ROWS_MAX = 500, 300
WINDOW_BYTES = 256 * 1024  # sent and not yet drawn
TYPED_MAX = 64 * 1024  # what a browser may have under way before it hears of `taken`
_HEAD = struct.Struct(">BI")


class Malformed(Exception):
    """Raised for what is no frame or message of these; who sent it is not listened to any more."""


def framed(kind: int, body: bytes) -> bytes:
    return _HEAD.pack(kind, len(body)) + body


def message(type_: str, /, **fields: Any) -> bytes:
    return framed(MESSAGE, json.dumps({"type": type_, **fields}).encode())


def read_message(body: bytes) -> dict[str, Any]:
    """Raises Malformed."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise Malformed("This is no message.") from None
    if not isinstance(said, dict) or not isinstance(said.get("type"), str):
        raise Malformed("This is no message.")
    return said


def whole(said: dict[str, Any], name: str, at_most: int) -> int:
    """A whole number from 1 on, cut off at the most. Raises Malformed."""
    number = said.get(name)
    if type(number) is not int or number < 1:
        raise Malformed(f"{name} is no number.")
    return min(number, at_most)


class Frames:
    """Frames out of a stream that ends anywhere."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Each whole frame's kind and body. Raises Malformed."""
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            kind, length = _HEAD.unpack_from(self._buffer)
            if kind not in (BYTES, MESSAGE) or length > FRAME_MAX:
                raise Malformed("This is no frame.")
            if len(self._buffer) < _HEAD.size + length:
                return
            body = bytes(self._buffer[_HEAD.size : _HEAD.size + length])
            del self._buffer[: _HEAD.size + length]
            yield kind, body
