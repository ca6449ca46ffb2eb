"""Makes one JSON array of the tasks' JSON files (and of each line of a .jsonl), in the order of their chunks.

One file is in memory at a time, however many there are.
"""

from __future__ import annotations

import fnmatch
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LINES = (".jsonl", ".ndjson")


def main() -> None:
    params = json.loads(os.environ["ASSEMBLER_PARAMS"])
    output = text(params, "output", "results.json")
    if "/" in output or output in (".", ".."):
        raise SystemExit(f"'output' is {output!r}. Give a file name without a folder.")
    pattern = text(params, "pattern", "*.json*")
    wrap = params.get("with_task", False)
    if not isinstance(wrap, bool):
        raise SystemExit(f"'with_task' is {wrap!r}. Choose true or false.")
    folder, count, seen = Path(os.environ["TASK_RESULTS_DIR"]), 0, []
    with (Path(os.environ["OUTPUT_DIR"]) / output).open("w", encoding="utf-8") as out:
        for task in tasks(folder):
            seen += task["files"]
            for name in fnmatch.filter(task["files"], pattern):
                for value in values(folder / name):
                    shown: dict[str, Any] = {key: task[key] for key in ("chunk", "parameters") if key in task}
                    shown["result"] = value
                    out.write(",\n" if count else "[\n")
                    out.write(json.dumps(shown if wrap else value, ensure_ascii=False))
                    count += 1
        if not seen or not fnmatch.filter(seen, pattern):
            raise SystemExit(f"No result matches {pattern!r}. The tasks left: {', '.join(seen[:8]) or 'no file'}.")
        out.write("\n]\n" if count else "[]\n")
    print(f"{count} values in {output}")


def values(path: Path) -> Iterator[Any]:
    try:
        if path.suffix.lower() in LINES:
            with path.open(encoding="utf-8-sig") as file:
                yield from (json.loads(line) for line in file if line.strip())
        else:
            yield json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as fault:
        raise SystemExit(
            f"'{path.name}' is no JSON: {fault}. Mend what the app writes, or leave such files out by 'pattern'."
        ) from None


def tasks(folder: Path) -> Iterator[dict[str, Any]]:
    """{chunk, files, parameters where it has some} of each task, in order."""
    listing = os.environ.get("TASKS_FILE")
    if not listing:
        yield from ({"files": [path.name]} for path in sorted(folder.iterdir()))
        return
    with Path(listing).open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def text(params: dict[str, Any], key: str, default: str) -> str:
    value = params.get(key, "") or default
    if not isinstance(value, str):
        raise SystemExit(f"'{key}' is {value!r}. Give a text.")
    return value


if __name__ == "__main__":
    main()
