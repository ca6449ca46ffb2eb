"""The text of the script that starts a bundle in its container: container/start.py, read once."""

from __future__ import annotations

from pathlib import Path

TEXT = (Path(__file__).parent / "container" / "start.py").read_text(encoding="utf-8")
