#!/usr/bin/python3
"""Describes every column of numbers in a CSV file, and plots one of them."""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import sys
from pathlib import Path

sys.path.insert(0, "/opt/slipway/examples")
from plot import Chart


def columns(path: Path, delimiter: str) -> tuple[dict[str, list[float]], int]:
    """Column name -> its numbers, for columns where at least half of the cells are numbers; and how many rows there were."""
    numbers: dict[str, list[float]] = {}
    rows = 0
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        for row in csv.DictReader(file, delimiter=delimiter):
            rows += 1
            for name, cell in row.items():
                try:
                    numbers.setdefault(str(name), []).append(float(cell))
                except (TypeError, ValueError):
                    continue
    return {name: values for name, values in numbers.items() if 2 * len(values) >= rows}, rows


def describe(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    low, middle, high = statistics.quantiles(ordered, n=4, method="inclusive") if len(ordered) > 1 else ordered * 3
    return {
        "count": len(values),
        "mean": statistics.fmean(values),
        "deviation": statistics.stdev(values) if len(values) > 1 else 0.0,
        "minimum": ordered[0],
        "lower_quartile": low,
        "median": middle,
        "upper_quartile": high,
        "maximum": ordered[-1],
    }


def plot(kind: str, name: str, values: list[float], bins: int, path: Path) -> None:
    low, high, mean = min(values), max(values), statistics.fmean(values)
    if kind == "line":
        chart = Chart(name, "row", name, (0, len(values)), (low, high))
        chart.curve(list(enumerate(values, 1)))
        chart.level(mean, f"mean {mean:.4g}")
    else:
        width = (high - low) / bins or 1.0
        counts = [0] * bins
        for value in values:
            counts[min(int((value - low) / width), bins - 1)] += 1
        chart = Chart(f"Distribution of {name}", name, "rows", (low, low + width * bins), (0, max(counts)))
        for index, count in enumerate(counts):
            chart.bar(low + index * width, low + (index + 1) * width, count)
    chart.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-file", type=Path, required=True)
    parser.add_argument("-column", default="")
    parser.add_argument("-plot", choices=("histogram", "line", "none"), default="histogram")
    parser.add_argument("-bins", type=int, default=20)
    parser.add_argument("-semicolons", action="store_true")
    given = parser.parse_args()
    results = Path(os.environ.get("RESULTS_DIR", "/results"))

    if not given.file.is_file():
        sys.exit(f"{given.file} is not there. Choose a file of the vault.")
    found, rows = columns(given.file, ";" if given.semicolons else ",")
    if not found:
        sys.exit(f"{given.file} has {rows} rows and no column of numbers. Does it divide its columns by semicolons?")
    chosen = given.column or next(
        (name for name in found if name.lower() not in {"id", "index", "day", "row"}), next(iter(found))
    )
    if chosen not in found:
        sys.exit(f"{given.file} has no column of numbers named {chosen!r}. It has: {', '.join(found)}.")

    summary = {name: describe(values) for name, values in found.items()}
    print(f"{given.file}: {rows} rows, {len(found)} columns of numbers\n")
    print(f"{'column':<24}{'mean':>12}{'deviation':>12}{'minimum':>12}{'median':>12}{'maximum':>12}")
    for name, row in summary.items():
        print(
            f"{name[:23]:<24}"
            + "".join(f"{row[key]:>12.4g}" for key in ("mean", "deviation", "minimum", "median", "maximum"))
        )

    (results / "stats.json").write_text(
        json.dumps({"file": given.file.name, "rows": rows, "columns": summary}, indent=2) + "\n"
    )
    with (results / "stats.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("column", *next(iter(summary.values()))))
        writer.writerows((name, *row.values()) for name, row in summary.items())
    if given.plot != "none":
        plot(given.plot, chosen, found[chosen], given.bins, results / "plot.png")
        print(f"\nPlotted {chosen} to plot.png.")


if __name__ == "__main__":
    main()
