"""Puts the tasks' files behind one another, in the order of their chunks; of a header that all have, the first is kept."""

from __future__ import annotations

import fnmatch
import json
import os
import shutil
from pathlib import Path
from typing import Any

PIECE_BYTES = 2**20
CSV_ENDINGS = (".csv", ".tsv")


def main() -> None:
    params = json.loads(os.environ["ASSEMBLER_PARAMS"])
    files = results(Path(os.environ["TASK_RESULTS_DIR"]), text(params, "pattern", "*"))
    ending = files[0].suffix
    output = text(params, "output", f"result{ending}")
    if "/" in output or output in (".", ".."):
        raise SystemExit(f"'output' is {output!r}. Give a file name without a folder.")
    wanted = params.get("header", "auto")
    if wanted not in ("auto", "yes", "no"):
        raise SystemExit(f"'header' is {wanted!r}. Choose one of: auto, yes, no.")
    once = wanted == "yes" or (wanted == "auto" and ending.lower() in CSV_ENDINGS)
    size = join(files, Path(os.environ["OUTPUT_DIR"]) / output, once=once)
    print(f"{len(files)} files in {output}, {size:,} bytes")


def join(files: list[Path], target: Path, *, once: bool) -> int:
    header, owner, last = b"", "", b"\n"
    with target.open("wb") as out:
        for path in files:
            with path.open("rb") as file:
                if once:
                    line = file.readline()
                    if not line:
                        continue
                    if not owner:
                        header, owner = line.rstrip(b"\r\n"), path.name
                        file.seek(0)
                    elif line.rstrip(b"\r\n") != header:
                        raise SystemExit(
                            f"'{path.name}' has another header than '{owner}': {shown(line)} in place of {shown(header)}. "
                            "Use the assembler 'table', which unites columns, or set 'header' to no."
                        )
                first = file.read(PIECE_BYTES)
                if not first:
                    continue
                if last != b"\n" and once:
                    out.write(b"\n")  # a last line without its end would run into the next file's first
                out.write(first)
                shutil.copyfileobj(file, out, PIECE_BYTES)
            with path.open("rb") as file:
                file.seek(-1, os.SEEK_END)
                last = file.read(1)
        return out.tell()


def shown(line: bytes) -> str:
    return repr(line.decode("utf-8", "replace").rstrip("\r\n")[:80])


def results(folder: Path, pattern: str) -> list[Path]:
    """The files whose names match, in the order of their chunks."""
    names = ordered(folder)
    found = [folder / name for name in names if fnmatch.fnmatchcase(name, pattern)]
    if not found:
        raise SystemExit(f"No result matches {pattern!r}. The tasks left: {', '.join(names[:8]) or 'no file'}.")
    return found


def ordered(folder: Path) -> list[str]:
    listing = os.environ.get("TASKS_FILE")
    if not listing:
        return sorted(path.name for path in folder.iterdir())
    with Path(listing).open(encoding="utf-8") as lines:
        return [name for line in lines for name in json.loads(line)["files"]]


def text(params: dict[str, Any], key: str, default: str) -> str:
    value = params.get(key, "") or default
    if not isinstance(value, str):
        raise SystemExit(f"'{key}' is {value!r}. Give a text.")
    return value


if __name__ == "__main__":
    main()
