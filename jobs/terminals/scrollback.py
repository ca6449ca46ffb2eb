"""What a terminal has shown, as far back as is kept. Offsets count all bytes that were ever added."""

from __future__ import annotations

import re

KEPT_BYTES = 256 * 1024
RECENT_BYTES = 64 * 1024  # where one who was too slow goes on
_LINE_BYTES = 8 * 1024  # a cut is moved on to the end of a line, unless that is farther
_MODE = re.compile(rb"\x1b(?:\[\?([0-9;]{1,40})([hl])|(c))")
# Modes that outlive the sequence that set them, and without which what follows would be shown or typed wrongly: keys for
# applications, no wrap, hidden cursor, the mouse, the other screen, pasting in brackets.
_KEPT_MODES = frozenset({1, 7, 25, 47, 1000, 1002, 1003, 1004, 1006, 1047, 1049, 2004})


class Scrollback:
    """Bounded: when twice as much is there as is kept, the older half goes. Not thread-safe."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept = kept_bytes
        self._data = bytearray()
        self._modes: dict[int, bytes] = {}  # as they were where the data begins
        self.start = 0

    @property
    def end(self) -> int:
        return self.start + len(self._data)

    def add(self, data: bytes) -> None:
        self._data += data
        if len(self._data) > 2 * self._kept:
            cut = self._cut(len(self._data) - self._kept)
            self._note_modes(cut)
            del self._data[:cut]
            self.start += cut

    def read(self, offset: int, at_most: int) -> tuple[int, bytes]:
        """How many bytes are left out because they are gone, and what follows them: from the last screens on."""
        if offset < self.start:
            recent = self._cut(max(0, len(self._data) - RECENT_BYTES))
            skipped = self.start + recent - offset
            return skipped, bytes(self._data[recent : recent + at_most])
        at = offset - self.start
        return 0, bytes(self._data[at : at + at_most])

    def opening(self) -> bytes:
        """What sets a fresh terminal as it was where the kept part begins."""
        return b"".join(b"\x1b[?%d%s" % (mode, setting) for mode, setting in sorted(self._modes.items()))

    def _cut(self, at: int) -> int:
        end = self._data.find(b"\n", at, at + _LINE_BYTES) if at else -1
        return at if end < 0 else end + 1

    def _note_modes(self, cut: int) -> None:
        for match in _MODE.finditer(self._data, 0, cut):
            if match[3]:
                self._modes.clear()
                continue
            for mode in match[1].split(b";"):
                if mode.isdigit() and int(mode) in _KEPT_MODES:
                    self._modes[int(mode)] = match[2]
