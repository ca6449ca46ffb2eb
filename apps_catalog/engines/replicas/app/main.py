"""Gives each task the same file: N copies of the source. Tasks tell themselves apart by CHUNK_NUMBER."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

CHUNKS_MAX = 100_000


def main() -> None:
    params = json.loads(os.environ["PARTITIONER_PARAMS"])
    count = params.get("count", 10)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= CHUNKS_MAX:
        raise SystemExit(f"'count' is {count!r}. Give a whole number from 1 to {CHUNKS_MAX:,}.")
    files = sorted(Path(os.environ["SOURCE_DIR"]).iterdir())
    if len(files) != 1:
        raise SystemExit(
            f"The source has {len(files)} files, and a chunk is one file. Choose one, or pack them into an archive."
        )
    if not files[0].stat().st_size:
        raise SystemExit(f"The source file '{files[0].name}' is empty, and a chunk has at least one byte.")
    for number in range(count):
        shutil.copyfile(files[0], Path(os.environ["CHUNKS_DIR"]) / f"data_{number}.bin")
    print(f"{count} copies of {files[0].name}")


if __name__ == "__main__":
    main()
