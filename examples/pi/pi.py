#!/usr/bin/python3
"""Estimates pi by throwing points at a square: the share that falls inside the quarter circle is pi / 4."""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, "/opt/slipway/examples")
from plot import Chart

ROUNDS = 100


def throw(points: int, chance: random.Random) -> int:
    draw = chance.random
    return sum(draw() ** 2 + draw() ** 2 <= 1.0 for _ in range(points))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-thousands", type=int, required=True)
    parser.add_argument("-seed", type=int)
    parser.add_argument("-chart", action="store_true")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(2**31)
    chance = random.Random(seed)
    batch = given.thousands * 1000 // ROUNDS
    results = Path(os.environ.get("RESULTS_DIR", "/results"))
    print(f"Throwing {batch * ROUNDS:,} points, seed {seed}.", flush=True)

    begun, inside, rows = time.monotonic(), 0, []
    for done in range(1, ROUNDS + 1):
        inside += throw(batch, chance)
        thrown = done * batch
        estimate = 4 * inside / thrown
        rows.append((thrown, estimate, estimate - math.pi))
        if done % 10 == 0:
            print(f"{thrown:>12,} points  pi = {estimate:.6f}  off by {estimate - math.pi:+.6f}", flush=True)
    took_s = time.monotonic() - begun

    share = inside / (batch * ROUNDS)
    answer = {
        "pi": 4 * share,
        "error": 4 * share - math.pi,
        "standard_error": 4 * math.sqrt(share * (1 - share) / (batch * ROUNDS)),
        "points": batch * ROUNDS,
        "seed": seed,
        "seconds": round(took_s, 3),
    }
    (results / "pi.json").write_text(json.dumps(answer, indent=2) + "\n")
    with (results / "convergence.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("points", "estimate", "error"))
        writer.writerows(rows)
    if given.chart:
        values = [estimate for _, estimate, _ in rows]
        chart = Chart(
            "How the estimate settles",
            "points (thousands)",
            "estimate of pi",
            (0, given.thousands),
            (min(values), max(values)),
        )
        chart.level(math.pi, "pi")
        chart.curve([(thrown / 1000, estimate) for thrown, estimate, _ in rows])
        chart.save(results / "convergence.png")
    print(f"pi = {answer['pi']:.6f} +- {answer['standard_error']:.6f}, in {took_s:.1f} s. Results are in {results}.")


if __name__ == "__main__":
    main()
