"""Counts the words of a part of a text: counts.json."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def run(params: dict[str, Any], input_path: str, results_dir: str, chunk_number: int) -> None:
    """Called with what it asks for, by name."""
    text = Path(input_path).read_text(encoding="utf-8", errors="replace")
    if not params.get("case", False):
        text = text.casefold()
    counts = Counter(word for word in WORD.findall(text) if len(word) >= params.get("shortest", 1))
    found = json.dumps(counts, ensure_ascii=False)
    (Path(results_dir) / "counts.json").write_text(found, encoding="utf-8")
    print(f"chunk {chunk_number}: {sum(counts.values())} words, {len(counts)} different")
