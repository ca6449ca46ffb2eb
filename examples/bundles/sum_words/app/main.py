"""Adds up the words of all parts: words.csv, the most frequent first."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from pathlib import Path

params = json.loads(os.environ["ASSEMBLER_PARAMS"])
total: Counter[str] = Counter()
for path in sorted(Path(os.environ["TASK_RESULTS_DIR"]).iterdir()):
    total.update(json.loads(path.read_text(encoding="utf-8")))
ranked = sorted(total.items(), key=lambda item: (-item[1], item[0]))[: params.get("top", 50)]
with (Path(os.environ["OUTPUT_DIR"]) / "words.csv").open("w", encoding="utf-8", newline="") as file:
    out = csv.writer(file, lineterminator="\n")
    out.writerow(["word", "count"])
    out.writerows(ranked)
print(f"{sum(total.values())} words, {len(total)} different; the first {len(ranked)} are in words.csv")
