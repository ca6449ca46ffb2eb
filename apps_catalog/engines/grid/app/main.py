"""Makes a chunk for each point of a parameter sweep: lists and ranges, every combination or side by side.

A chunk is `{"$parameters": {"rate": 0.1, "seed": 3}}`. What starts the app lays them over its own parameters.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

CHUNKS_MAX = 100_000
Values = list[Any]


def main() -> None:
    params = json.loads(os.environ["PARTITIONER_PARAMS"])
    combine = params.get("combine", "product")
    if combine not in ("product", "zip"):
        raise SystemExit(f"'combine' is {combine!r}. Choose one of: product, zip.")
    repeats = params.get("repeats", 1)
    if isinstance(repeats, bool) or not isinstance(repeats, int) or not 1 <= repeats <= CHUNKS_MAX:
        raise SystemExit(f"'repeats' is {repeats!r}. Give a whole number from 1 to {CHUNKS_MAX:,}.")
    axes = read_axes(params.get("parameters"))
    points = (math.prod(map(len, axes.values())) if combine == "product" else same_length(axes)) * repeats
    if points > CHUNKS_MAX:
        raise SystemExit(
            f"This makes {points:,} points; the most is {CHUNKS_MAX:,}. Give fewer values, or larger steps."
        )
    chunks = Path(os.environ["CHUNKS_DIR"])
    rows: Iterable[tuple[Any, ...]] = (
        itertools.product(*axes.values()) if combine == "product" else zip(*axes.values(), strict=True)
    )
    for number, point in enumerate(repeated(rows, repeats)):
        found = json.dumps({"$parameters": dict(zip(axes, point, strict=True))}, ensure_ascii=False)
        (chunks / f"data_{number}.bin").write_text(found + "\n", encoding="utf-8")
    print(f"{points} points of {', '.join(f'{name} ({len(values)})' for name, values in axes.items())}")


def same_length(axes: dict[str, Values]) -> int:
    """How many values each has, where they are taken side by side."""
    lengths = {name: len(values) for name, values in axes.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise SystemExit(f"Side by side (zip) all need as many values: {said}. Make them equal, or combine by product.")
    return next(iter(lengths.values()))


def repeated(rows: Iterable[tuple[Any, ...]], times: int) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        yield from itertools.repeat(row, times)


def read_axes(given: Any) -> dict[str, Values]:
    if not isinstance(given, list) or not given:
        raise SystemExit("'parameters' must list what is varied: each with a name, and values or a range.")
    axes: dict[str, Values] = {}
    for number, axis in enumerate(given):
        name = axis.get("name") if isinstance(axis, dict) else None
        if not isinstance(name, str) or not name:
            raise SystemExit(f"parameters/{number} has no name. Give the name of a parameter of the app.")
        if name in axes:
            raise SystemExit(f"'{name}' is listed twice. Put all its values into one list.")
        axes[name] = values_of(name, axis)
    return axes


def values_of(name: str, axis: dict[str, Any]) -> Values:
    if "values" in axis:
        values = axis["values"]
        if not isinstance(values, list) or not values:
            raise SystemExit(f"The values of '{name}' must be a list with at least one.")
        return values
    if "from" not in axis or "to" not in axis:
        raise SystemExit(f"'{name}' has neither values nor a range. Give values, or from and to.")
    first, last = number_of(name, "from", axis), number_of(name, "to", axis)
    if "count" in axis:
        return spread(name, first, last, axis)
    step = number_of(name, "step", axis) if "step" in axis else Decimal(1)
    if step <= 0:
        raise SystemExit(f"The step of '{name}' is {step}. Give a number above 0.")
    if last < first:
        raise SystemExit(f"The range of '{name}' goes from {first} to {last}. Swap them.")
    count = int((last - first) / step) + 1
    if count > CHUNKS_MAX:
        raise SystemExit(f"The range of '{name}' has {count:,} values; the most is {CHUNKS_MAX:,}. Take a larger step.")
    return [plain(first + step * number) for number in range(count)]


def spread(name: str, first: Decimal, last: Decimal, axis: dict[str, Any]) -> Values:
    """So many values at equal distances, or (scale log) at equal ratios, both ends included."""
    count, scale = axis["count"], axis.get("scale", "linear")
    if isinstance(count, bool) or not isinstance(count, int) or not 2 <= count <= CHUNKS_MAX:
        raise SystemExit(f"The count of '{name}' is {count!r}. Give a whole number from 2 to {CHUNKS_MAX:,}.")
    if scale == "log":
        if first <= 0 or last <= 0:
            raise SystemExit(f"'{name}' is spread on a log scale, so from and to must be above 0.")
        low, high = math.log(first), math.log(last)
        inner = [math.exp(low + (high - low) * number / (count - 1)) for number in range(1, count - 1)]
        return [plain(first), *inner, plain(last)]
    if scale != "linear":
        raise SystemExit(f"The scale of '{name}' is {scale!r}. Choose one of: linear, log.")
    return [plain(first + (last - first) * number / (count - 1)) for number in range(count)]


def number_of(name: str, key: str, axis: dict[str, Any]) -> Decimal:
    value = axis[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise SystemExit(f"The {key} of '{name}' is {value!r}. Give a number.")
    return Decimal(str(value))  # so that 0.1, 0.2, 0.3 are those and not 0.30000000000000004


def plain(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


if __name__ == "__main__":
    main()
