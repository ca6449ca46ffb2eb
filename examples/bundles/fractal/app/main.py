"""Renders one tile of the Mandelbrot set as a PNG. Its name says where it belongs: tile_<left>_<top>.png."""

from __future__ import annotations

import colorsys
import json
import math
import os
import struct
import zlib
from pathlib import Path

INSIDE = (8, 10, 20)


def main() -> None:
    params = json.loads(os.environ["APP_PARAMS"])
    tile = json.loads((Path(os.environ["TASK_DIR"]) / "data.bin").read_text())
    limit = int(params.get("iterations", 200))
    colours = palette(params.get("palette", "ocean"), float(params.get("shift", 0)))
    rows = bytearray()
    for row in range(tile["height"]):
        rows.append(0)  # this row is not filtered
        y = tile["y"] + row * tile["pixel"]
        for column in range(tile["width"]):
            rows.extend(colour(escape(tile["x"] + column * tile["pixel"], y, limit), colours))
    name = f"tile_{tile['left']}_{tile['top']}.png"
    (Path(os.environ["TASK_RESULTS_DIR"]) / name).write_bytes(png(tile["width"], tile["height"], bytes(rows)))
    print(f"{name}: {tile['width']} x {tile['height']}")


def escape(x: float, y: float, limit: int) -> float:
    """How soon the point leaves the set, smoothed; 0 for one that stays."""
    off = (x - 0.25) ** 2 + y * y
    if off * (off + x - 0.25) <= y * y / 4 or (x + 1) ** 2 + y * y <= 1 / 16:
        return 0  # within the cardioid, or the largest disk
    a = b = 0.0
    for step in range(limit):
        aa, bb = a * a, b * b
        if aa + bb > 64:
            return step + 2 - math.log2(math.log(aa + bb) / 2)
        a, b = aa - bb + x, 2 * a * b + y
    return 0


def palette(name: str, shift: float) -> list[tuple[int, int, int]]:
    spans = {"ocean": (0.72, 0.45), "fire": (0.98, 1.18), "forest": (0.25, 0.48), "rainbow": (0.0, 1.0)}
    if name not in spans:
        raise SystemExit(f"'{name}' is no palette. Choose one of: {', '.join(spans)}.")
    first, last = spans[name]
    colours = []
    for number in range(256):
        along = 0.5 - 0.5 * math.cos(2 * math.pi * number / 256)
        red, green, blue = colorsys.hsv_to_rgb(
            (first + (last - first) * along + shift) % 1, 0.85 - 0.55 * along, 0.25 + 0.75 * along
        )
        colours.append((round(255 * red), round(255 * green), round(255 * blue)))
    return colours


def colour(count: float, colours: list[tuple[int, int, int]]) -> tuple[int, int, int]:
    return INSIDE if count == 0 else colours[int(40 * math.sqrt(max(count, 0))) % len(colours)]


def png(width: int, height: int, rows: bytes) -> bytes:
    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(rows, 6)) + part(b"IEND", b"")


if __name__ == "__main__":
    main()
