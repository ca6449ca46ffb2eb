"""Packs the files of all tasks into one zip archive, flat or in a folder for each chunk."""

from __future__ import annotations

import fnmatch
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PIECE_BYTES = 2**20
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same files make the same archive
METHODS = {"deflate": zipfile.ZIP_DEFLATED, "store": zipfile.ZIP_STORED}


def main() -> None:
    params = json.loads(os.environ["ASSEMBLER_PARAMS"])
    output = text(params, "output", "results.zip")
    if "/" in output or output in (".", ".."):
        raise SystemExit(f"'output' is {output!r}. Give a file name without a folder.")
    pattern = text(params, "pattern", "*")
    layout, method = params.get("layout", "flat"), params.get("compression", "deflate")
    if layout not in ("flat", "by_chunk"):
        raise SystemExit(f"'layout' is {layout!r}. Choose one of: flat, by_chunk.")
    if method not in METHODS:
        raise SystemExit(f"'compression' is {method!r}. Choose one of: deflate, store.")
    folder, count, seen = Path(os.environ["TASK_RESULTS_DIR"]), 0, []
    with zipfile.ZipFile(Path(os.environ["OUTPUT_DIR"]) / output, "w", METHODS[method]) as archive:
        for chunk, name in files(folder):
            seen.append(name)
            if not fnmatch.fnmatchcase(name, pattern):
                continue
            member = zipfile.ZipInfo(f"{chunk}/{name}" if layout == "by_chunk" else name, EPOCH)
            member.compress_type = METHODS[method]
            member.external_attr = 0o644 << 16
            with (folder / name).open("rb") as file, archive.open(member, "w", force_zip64=True) as out:
                shutil.copyfileobj(file, out, PIECE_BYTES)
            count += 1
    if not count:
        raise SystemExit(f"No result matches {pattern!r}. The tasks left: {', '.join(seen[:8]) or 'no file'}.")
    print(f"{count} files in {output}")


def files(folder: Path) -> Iterator[tuple[str, str]]:
    """(chunk as text, name), in the order of chunks."""
    listing = os.environ.get("TASKS_FILE")
    if not listing:
        yield from (("0", path.name) for path in sorted(folder.iterdir()))
        return
    with Path(listing).open(encoding="utf-8") as lines:
        for line in lines:
            task = json.loads(line)
            yield from ((str(task["chunk"]), name) for name in task["files"])


def text(params: dict[str, Any], key: str, default: str) -> str:
    value = params.get(key, "") or default
    if not isinstance(value, str):
        raise SystemExit(f"'{key}' is {value!r}. Give a text.")
    return value


if __name__ == "__main__":
    main()
