"""The texts of the scripts that run in containers, read once: start.py starts a bundle, keeper.py (with remains.py) one task after another."""

from __future__ import annotations

from pathlib import Path

TEXT = (Path(__file__).parent / "container" / "start.py").read_text(encoding="utf-8")
REMAINS = (Path(__file__).parent / "container" / "remains.py").read_text(encoding="utf-8")
KEEPER = (Path(__file__).parent / "container" / "keeper.py").read_text(encoding="utf-8")
