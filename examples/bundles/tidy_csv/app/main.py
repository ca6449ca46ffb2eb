"""Cleans a part of a CSV file: spaces round values, empty and double rows, decimal commas, words for nothing."""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path

NOTHING = {"", "-", "n/a", "na", "nan", "none", "null"}
COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")

params = json.loads(os.environ["APP_PARAMS"])
seen: set[tuple[str, ...]] = set()
kept = dropped = 0
source = Path(os.environ["TASK_DIR"]) / "data.bin"
target = Path(os.environ["TASK_RESULTS_DIR"]) / "clean.csv"
with (
    source.open(encoding="utf-8-sig", errors="replace", newline="") as file,
    target.open("w", encoding="utf-8", newline="") as made,
):
    rows, out = csv.reader(file, delimiter=params.get("delimiter", ",")), csv.writer(made, lineterminator="\n")
    header = [name.strip() for name in next(rows)]
    out.writerow(header)
    for row in rows:
        values = ["" if value.strip().lower() in NOTHING else value.strip() for value in row]
        if params.get("decimal_comma", True):
            values = [value.replace(",", ".") if COMMA.fullmatch(value) else value for value in values]
        values += [""] * (len(header) - len(values))
        if not any(values) or tuple(values) in seen or len(values) > len(header):
            dropped += 1
            continue
        if params.get("drop_double", True):
            seen.add(tuple(values))
        out.writerow(values)
        kept += 1
print(f"chunk {os.environ['CHUNK_NUMBER']}: {kept} rows kept, {dropped} left out")
