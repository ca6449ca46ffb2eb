#!/usr/bin/python3
"""Counts the words of an uploaded text: the most frequent ones, and how long words are."""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, "/opt/slipway/examples")
from plot import named_bars

WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-input", type=Path, required=True)
    parser.add_argument("-top", type=int, default=20)
    parser.add_argument("-shortest", type=int, default=1)
    parser.add_argument("-case", action="store_true")
    given = parser.parse_args()
    results = Path(os.environ.get("RESULTS_DIR", "/results"))

    text = given.input.read_text(encoding="utf-8", errors="replace")
    words = [word if given.case else word.lower() for word in WORD.findall(text) if len(word) >= given.shortest]
    if not words:
        sys.exit(f"The text has {len(text)} characters and no word of {given.shortest} or more letters.")
    counts = Counter(words)
    most = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))

    print(
        f"{len(text):,} characters, {len(text.splitlines()):,} lines, {len(words):,} words, {len(counts):,} different ones\n"
    )
    for word, times in most[: given.top]:
        print(f"{times:>7,}  {word}")

    with (results / "words.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("word", "times"))
        writer.writerows(most)
    lengths = Counter(map(len, words))
    answer = {
        "characters": len(text),
        "lines": len(text.splitlines()),
        "words": len(words),
        "different_words": len(counts),
        "mean_length": round(sum(map(len, words)) / len(words), 3),
        "lengths": {str(length): lengths[length] for length in sorted(lengths)},
    }
    (results / "summary.json").write_text(json.dumps(answer, indent=2) + "\n")
    named_bars("Most frequent words", "times", most[: given.top], results / "words.png")
    print(f"\nWrote words.csv, summary.json and words.png to {results}.")


if __name__ == "__main__":
    main()
