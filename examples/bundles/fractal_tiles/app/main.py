"""Cuts the picture of a fractal into tiles: a chunk says where its tile lies in the plane and in the picture."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path

params = json.loads(os.environ["PARTITIONER_PARAMS"])
size, tiles = int(params.get("size", 900)), int(params.get("tiles", 4))
centre_x, centre_y = float(params.get("centre_x", -0.6)), float(params.get("centre_y", 0.0))
zoom = float(params.get("zoom", 1))
if tiles > size:
    raise SystemExit(
        f"A picture of {size} pixels has no {tiles} tiles a side. Ask for fewer tiles or a larger picture."
    )

pixel = 3 / zoom / size  # the width of a pixel in the plane
edges = [round(size * number / tiles) for number in range(tiles + 1)]
number = 0
for top, bottom in pairwise(edges):
    for left, right in pairwise(edges):
        tile = {
            "left": left,
            "top": top,
            "width": right - left,
            "height": bottom - top,
            "size": size,
            "x": centre_x + (left - size / 2 + 0.5) * pixel,
            "y": centre_y + (top - size / 2 + 0.5) * pixel,
            "pixel": pixel,
        }
        (Path(os.environ["CHUNKS_DIR"]) / f"data_{number}.bin").write_text(json.dumps(tile))
        number += 1
print(f"{number} tiles of a picture of {size} x {size}")
