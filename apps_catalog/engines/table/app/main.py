"""Makes one table of the tasks' CSV and JSON files: all their columns, and the parameters of each task as columns too.

Files are read twice: for their columns, then for their rows. One row is in memory at a time.
"""

from __future__ import annotations

import csv
import fnmatch
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FIELD_BYTES_MAX = 2**30
COLUMNS_MAX = 10_000


def main() -> None:
    csv.field_size_limit(FIELD_BYTES_MAX)
    params = json.loads(os.environ["ASSEMBLER_PARAMS"])
    output = text(params, "output", "table.csv")
    if "/" in output or output in (".", ".."):
        raise SystemExit(f"'output' is {output!r}. Give a file name without a folder.")
    pattern, delimiter = text(params, "pattern", "*"), text(params, "delimiter", ",")
    if len(delimiter) != 1 or delimiter in '\r\n"':
        raise SystemExit(f"'delimiter' is {delimiter!r}. Give one character that is not a quote.")
    for key in ("parameters", "chunk"):
        if not isinstance(params.get(key, True), bool):
            raise SystemExit(f"'{key}' is {params[key]!r}. Choose true or false.")
    listed = list(tasks(Path(os.environ["TASK_RESULTS_DIR"]), pattern))
    own = columns(listed, delimiter)
    lead = {}  # the columns that say which task a row is of, by what they are of
    if params.get("chunk", False):
        lead["", "chunk"] = free("chunk", own)
    if params.get("parameters", True):
        for task, _ in listed:
            for name in task.get("parameters", {}):
                lead["parameters", name] = free(name, own)
    if len(own) + len(lead) > COLUMNS_MAX:
        raise SystemExit(
            f"The results have more than {COLUMNS_MAX:,} columns together. Do their headers differ by mistake?"
        )
    rows = 0
    with (Path(os.environ["OUTPUT_DIR"]) / output).open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        out.writerow([*lead.values(), *own])
        for task, paths in listed:
            of_task = [
                cell(task["chunk"] if key == ("", "chunk") else task.get("parameters", {}).get(key[1])) for key in lead
            ]
            for path in paths:
                for row in records(path, delimiter):
                    out.writerow([*of_task, *(cell(row.get(name)) for name in own)])
                    rows += 1
    print(f"{rows} rows, {len(lead) + len(own)} columns in {output}")


def free(name: str, own: dict[str, None]) -> str:
    """A column's name that no result has."""
    while name in own:
        name = f"task_{name}"
    return name


def cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)


def columns(listed: list[tuple[dict[str, Any], list[Path]]], delimiter: str) -> dict[str, None]:
    """All columns, in the order in which they are first met."""
    found: dict[str, None] = {}
    for _, paths in listed:
        for path in paths:
            if path.suffix.lower() == ".json":
                for row in records(path, delimiter):
                    found.update(dict.fromkeys(row))
            else:
                with path.open(encoding="utf-8-sig", newline="") as file:
                    found.update(dict.fromkeys(header(path, file, delimiter)))
    return found


def header(path: Path, file: Any, delimiter: str) -> list[str]:
    try:
        names = next(csv.reader(file, delimiter=delimiter), [])
    except (csv.Error, UnicodeDecodeError) as fault:
        raise unreadable(path, fault) from None
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SystemExit(f"'{path.name}' has the column {twice!r} twice. Give each column of the results its own name.")
    return names


def records(path: Path, delimiter: str) -> Iterator[dict[str, Any]]:
    try:
        if path.suffix.lower() == ".json":
            yield from of_json(path)
            return
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = header(path, file, delimiter)
            for number, row in enumerate(csv.reader(file, delimiter=delimiter), 2):
                if len(row) > len(names):
                    raise SystemExit(
                        f"Record {number} of '{path.name}' has {len(row)} fields, its header {len(names)}."
                    )
                if row:
                    yield dict(zip(names, row, strict=False))
    except (csv.Error, ValueError) as fault:
        raise unreadable(path, fault) from None


def of_json(path: Path) -> Iterator[dict[str, Any]]:
    """An object is a row, a list of objects several."""
    found = json.loads(path.read_text(encoding="utf-8-sig"))
    for row in found if isinstance(found, list) else [found]:
        if not isinstance(row, dict):
            raise SystemExit(
                f"'{path.name}' holds {type(row).__name__} where a row is wanted. Let the app write objects."
            )
        yield row


def unreadable(path: Path, fault: Exception) -> SystemExit:
    return SystemExit(f"'{path.name}' can't be read as a table: {fault}. Leave such files out by 'pattern'.")


def tasks(folder: Path, pattern: str) -> Iterator[tuple[dict[str, Any], list[Path]]]:
    """Each task ({chunk, files, parameters where it has some}) and its tables, in the order of chunks."""
    listing, seen, some = os.environ.get("TASKS_FILE"), [], False
    lines: Iterator[dict[str, Any]] = iter(())
    if listing:
        lines = map(json.loads, Path(listing).read_text(encoding="utf-8").splitlines())
    else:
        lines = ({"chunk": n, "files": [path.name]} for n, path in enumerate(sorted(folder.iterdir())))
    for task in lines:
        seen += task["files"]
        found = [folder / name for name in task["files"] if fnmatch.fnmatchcase(name, pattern)]
        some = some or bool(found)
        yield task, found
    if not some:
        raise SystemExit(f"No result matches {pattern!r}. The tasks left: {', '.join(seen[:8]) or 'no file'}.")


def text(params: dict[str, Any], key: str, default: str) -> str:
    value = params.get(key, "") or default
    if not isinstance(value, str):
        raise SystemExit(f"'{key}' is {value!r}. Give a text.")
    return value


if __name__ == "__main__":
    main()
