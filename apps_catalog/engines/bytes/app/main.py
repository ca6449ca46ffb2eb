"""Cuts the source's files into chunks of so many bytes, or each into so many parts. No chunk spans two files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

CHUNKS_MAX = 100_000
PIECE_BYTES = 2**20


def main() -> None:
    params = json.loads(os.environ["PARTITIONER_PARAMS"])
    by = params.get("by", "size")
    if by not in ("size", "parts"):
        raise SystemExit(f"'by' is {by!r}. Choose one of: size, parts.")
    size = whole(params, "size_kib", 16 * 1024, 1, 10**9) * 1024
    parts = whole(params, "parts", 10, 1, CHUNKS_MAX)
    chunks, number = Path(os.environ["CHUNKS_DIR"]), 0
    for path in sorted(Path(os.environ["SOURCE_DIR"]).iterdir()):
        length = path.stat().st_size
        step = size if by == "size" else max(-(-length // parts), 1)
        if number + -(-length // step) > CHUNKS_MAX:
            raise SystemExit(f"This would make more than {CHUNKS_MAX:,} chunks. Ask for larger ones.")
        before = number
        with path.open("rb") as file:
            while (first := file.read(min(step, PIECE_BYTES))) != b"":
                with (chunks / f"data_{number}.bin").open("wb") as out:
                    out.write(first)
                    left = step - len(first)
                    while left and (piece := file.read(min(left, PIECE_BYTES))):
                        out.write(piece)
                        left -= len(piece)
                number += 1
        print(f"{path.name}: {number - before} chunks")
    if not number:
        raise SystemExit("The source has no byte, so there is nothing to cut. Choose a file that is not empty.")


def whole(params: dict[str, Any], key: str, default: int, least: int, most: int) -> int:
    value = params.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise SystemExit(f"'{key}' is {value!r}. Give a whole number from {least:,} to {most:,}.")
    return value


if __name__ == "__main__":
    main()
