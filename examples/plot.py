"""Charts as PNG files from the standard library alone: a canvas with smooth lines, a stroke font, bars and curves."""

from __future__ import annotations

import itertools
import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

Color = tuple[int, int, int]
Point = tuple[float, float]
PAPER, INK, SOFT, GRID = (255, 255, 255), (33, 43, 54), (99, 115, 129), (228, 232, 237)
BLUE, ORANGE = (32, 107, 196), (214, 90, 24)

# Each glyph is its width, then strokes; a stroke is a chain of points on a grid with the baseline at 0, x-height 4, capitals 6.
STROKES = {
    "0": "4 10 30 41 45 36 16 05 01 10", "1": "3 04 16 10/00 20", "2": "4 05 16 36 45 44 00 40", "3": "4 05 16 36 45 44 33 13/33 42 41 30 10 01",
    "4": "4 30 36 02 42", "5": "4 46 06 03 33 42 41 30 10 01", "6": "4 36 16 04 01 10 30 41 42 33 13 02", "7": "4 06 46 10",
    "8": "4 13 04 05 16 36 45 44 33 13 02 01 10 30 41 42 33", "9": "4 10 30 42 45 36 16 05 04 13 33 44", ".": "1 00 00", ",": "1 11 0a", ":": "1 00 00/03 03",
    "-": "3 03 33", "+": "4 03 43/21 25", "/": "3 00 36", "%": "4 00 46/06 06/40 40", "(": "2 2a 01 05 27", ")": "2 0a 21 25 07", "=": "4 02 42/04 44",
    "'": "1 06 04", "_": "4 0a 4a", "<": "3 35 03 31", ">": "3 05 33 01", "*": "4 04 42/02 44/21 25", "A": "4 00 26 40/12 32", "B": "4 00 06 36 45 44 33 03/33 42 41 30 00",
    "C": "4 45 36 16 05 01 10 30 41", "D": "4 00 06 26 44 42 20 00", "E": "4 46 06 00 40/03 33", "F": "4 46 06 00/03 33", "G": "4 45 36 16 05 01 10 30 41 43 23",
    "H": "4 00 06/40 46/03 43", "I": "2 00 20/06 26/10 16", "J": "3 36 31 20 10 01", "K": "4 00 06/46 03 40", "L": "4 06 00 40", "M": "4 00 06 23 46 40", "N": "4 00 06 40 46",
    "O": "4 10 30 41 45 36 16 05 01 10", "P": "4 00 06 36 45 44 33 03", "Q": "4 10 30 41 45 36 16 05 01 10/31 4a", "R": "4 00 06 36 45 44 33 03/23 40",
    "S": "4 45 36 16 05 04 13 33 42 41 30 10 01", "T": "4 06 46/26 20", "U": "4 06 01 10 30 41 46", "V": "4 06 20 46", "W": "4 06 10 24 30 46", "X": "4 00 46/06 40",
    "Y": "4 06 23 46/23 20", "Z": "4 06 46 00 40", "a": "3 14 24 33 30/32 12 01 10 20 31", "b": "3 06 00/03 14 24 33 31 20 10 01", "c": "3 33 24 14 03 01 10 20 31",
    "d": "3 36 30/33 24 14 03 01 10 20 31", "e": "3 02 32 33 24 14 03 01 10 30", "f": "2 26 15 10/04 24", "g": "3 33 24 14 03 02 11 21 32/34 3a 2b 1b", "h": "3 06 00/03 14 24 33 30",
    "i": "1 00 04/06 06", "j": "1 14 1a 0b/16 16", "k": "3 06 00/34 02 30", "l": "1 06 01 10", "m": "4 00 04/03 14 23 20/23 34 43 40", "n": "3 00 04/03 14 24 33 30",
    "o": "3 14 24 33 31 20 10 01 03 14", "p": "3 04 0b/03 14 24 33 31 20 10 01", "q": "3 34 3b/33 24 14 03 01 10 20 31", "r": "2 00 04/03 14 24", "s": "3 33 24 14 03 12 22 31 20 10 01",
    "t": "2 16 11 20/04 24", "u": "3 04 01 10 20 31/34 30", "v": "3 04 10 20 34", "w": "4 04 10 23 30 44", "x": "3 00 34/04 30", "y": "3 04 10/34 20 1b 0b", "z": "3 04 34 00 30",
}  # fmt: skip
BELOW = {"a": -1, "b": -2}


class Canvas:
    """A picture of RGB pixels; (0, 0) is the upper left corner. Lines and letters have smooth edges."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.pixels = bytearray(bytes(PAPER) * (width * height))

    def blend(self, x: int, y: int, color: Color, share: float) -> None:
        if share <= 0 or not (0 <= x < self.width and 0 <= y < self.height):
            return
        at = (y * self.width + x) * 3
        for channel in range(3):
            old = self.pixels[at + channel]
            self.pixels[at + channel] = round(old + (color[channel] - old) * min(share, 1.0))

    def rectangle(self, left: float, top: float, right: float, bottom: float, color: Color) -> None:
        a, b = max(0, round(left)), min(self.width, round(right))
        for y in range(max(0, round(top)), min(self.height, round(bottom))):
            at = (y * self.width + a) * 3
            self.pixels[at : at + 3 * max(0, b - a)] = bytes(color) * max(0, b - a)

    def line(self, start: Point, end: Point, color: Color, thick: float = 1.5) -> None:
        (x1, y1), (x2, y2) = start, end
        dx, dy = x2 - x1, y2 - y1
        length2, reach = dx * dx + dy * dy, thick / 2 + 1
        for y in range(math.floor(min(y1, y2) - reach), math.ceil(max(y1, y2) + reach) + 1):
            for x in range(math.floor(min(x1, x2) - reach), math.ceil(max(x1, x2) + reach) + 1):
                along = 0.0 if not length2 else max(0.0, min(1.0, ((x - x1) * dx + (y - y1) * dy) / length2))
                away = math.hypot(x - x1 - along * dx, y - y1 - along * dy)
                self.blend(x, y, color, thick / 2 + 0.5 - away)

    def text(self, x: float, y: float, words: str, color: Color = INK, size: float = 12, align: float = 0.0) -> None:
        """`y` is the baseline, `size` the height of a capital; `align` 0 starts at x, 0.5 is centred, 1 ends there."""
        unit = size / 6
        x -= align * text_width(words, size)
        for letter in words:
            advance, chains = _glyph(letter)
            for chain in chains:
                points = [(x + px * unit, y - py * unit) for px, py in chain]
                for first, second in itertools.pairwise(points):
                    self.line(first, second, color, max(1.2, size / 8))
            x += advance * unit

    def save(self, path: Path) -> None:
        row = self.width * 3
        raw = b"".join(b"\0" + self.pixels[at : at + row] for at in range(0, len(self.pixels), row))
        header = struct.pack("!IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        parts = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b""))
        body = b"".join(
            struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))
            for kind, data in parts
        )
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def _glyph(letter: str) -> tuple[float, list[list[Point]]]:
    if letter == " ":
        return 3.5, []
    width, _, strokes = STROKES.get(letter, STROKES["*"]).partition(" ")
    chains = [
        [(float(p[0]), float(BELOW[p[1]] if p[1] in BELOW else p[1])) for p in chain.split()]
        for chain in strokes.split("/")
    ]
    return int(width) + 1.6, chains


def text_width(words: str, size: float) -> float:
    return max(0.0, sum(_glyph(letter)[0] for letter in words) - 1.6) * size / 6


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers that cover low to high."""
    if high <= low:
        low, high = low - 0.5, low + 0.5
    rough = (high - low) / about
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if rough <= power * factor * 1.0000001)
    first = math.floor(low / step + 1e-9)
    count = math.ceil(high / step - 1e-9) - first
    return [(first + index) * step for index in range(count + 1)]


def label(value: float) -> str:
    return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:.3g}"


class Chart:
    """Axes with round numbers, a grid, a title and two axis names. Draw on it, then save it."""

    def __init__(self, title: str, x_name: str, y_name: str, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.canvas = Canvas(960, 540)
        self.left, self.right, self.top, self.bottom = 84, 930, 76, 470
        x_ticks, y_ticks = ticks(*x, about=9), ticks(*y)
        self.x_span = (x_ticks[0], x_ticks[-1])
        self.y_span = (y_ticks[0], y_ticks[-1])
        draw = self.canvas
        draw.text(self.left, 38, title, INK, 17)
        draw.text(self.left, 62, y_name, SOFT, 10)
        draw.text((self.left + self.right) / 2, 522, x_name, SOFT, 11, 0.5)
        for value in y_ticks:
            at = self.y(value)
            draw.rectangle(self.left, at, self.right, at + 1, GRID)
            draw.text(self.left - 12, at + 5, label(value), SOFT, 10, 1.0)
        for value in x_ticks:
            at = self.x(value)
            draw.rectangle(at, self.bottom, at + 1, self.bottom + 6, SOFT)
            draw.text(at, self.bottom + 24, label(value), SOFT, 10, 0.5)
        draw.rectangle(self.left, self.bottom, self.right, self.bottom + 2, SOFT)

    def x(self, value: float) -> float:
        low, high = self.x_span
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def y(self, value: float) -> float:
        low, high = self.y_span
        return self.bottom - (value - low) / (high - low) * (self.bottom - self.top)

    def bar(self, low: float, high: float, height: float, color: Color = BLUE) -> None:
        left, right = self.x(low) + 1.5, self.x(high) - 1.5
        self.canvas.rectangle(left, self.y(height), max(right, left + 1), self.bottom, color)

    def level(self, value: float, name: str, color: Color = ORANGE) -> None:
        """A dashed line across, with its name above it at the right."""
        at = self.y(value)
        for x in range(self.left, self.right, 12):
            self.canvas.line((x, at), (min(x + 6, self.right), at), color, 1.6)
        self.canvas.text(self.right, at - 7, name, color, 10, 1.0)

    def curve(self, points: Sequence[Point], color: Color = BLUE) -> None:
        places = [(self.x(px), self.y(py)) for px, py in points]
        for first, second in itertools.pairwise(places):
            self.canvas.line(first, second, color, 2.2)
        if len(places) <= 60:
            for place in places:
                self.canvas.line(place, place, color, 6)

    def save(self, path: Path) -> None:
        self.canvas.save(path)


def named_bars(title: str, y_name: str, bars: Sequence[tuple[str, float]], path: Path) -> None:
    """Horizontal bars, longest first as given, each with its name and number; for words and categories."""
    rows = min(len(bars), 24)
    canvas = Canvas(960, max(200, 110 + 26 * rows))
    canvas.text(40, 40, title, INK, 17)
    canvas.text(40, 66, y_name, SOFT, 10)
    wide = max((text_width(name[:24], 11) for name, _ in bars[:rows]), default=0) + 56
    longest = max((value for _, value in bars), default=0) or 1
    for row, (name, value) in enumerate(bars[:rows]):
        y = 92 + 26 * row
        canvas.text(wide - 12, y + 14, name[:24], INK, 11, 1.0)
        end = wide + value / longest * (880 - wide)
        canvas.rectangle(wide, y, max(end, wide + 2), y + 18, BLUE)
        canvas.text(end + 10, y + 14, label(value), SOFT, 10)
    canvas.save(path)
