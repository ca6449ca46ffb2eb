"""A pendulum that loses energy: how often it swings and how long until it is at rest, for one length and one damping."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

G, STEP_S, LONGEST_S = 9.81, 0.002, 600.0


def run(params: dict[str, Any], results_dir: str) -> None:
    """`params` are the app's own with this task's point of the sweep laid over them."""
    length, damping = float(params.get("length_m", 1)), float(params.get("damping", 0.1))
    angle, speed, time_s, swings = math.radians(params.get("start_degrees", 30.0)), 0.0, 0.0, 0
    while time_s < LONGEST_S and abs(angle) + abs(speed) > 0.01:
        speed += (-G / length * math.sin(angle) - damping * speed) * STEP_S
        before, angle = angle, angle + speed * STEP_S
        swings += before > 0 >= angle
        time_s += STEP_S
    found = {"swings": swings, "rest_after_s": round(time_s, 2)}
    (Path(results_dir) / "result.json").write_text(json.dumps(found) + "\n", encoding="utf-8")
