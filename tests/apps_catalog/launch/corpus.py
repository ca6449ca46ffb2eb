"""Where the collection of real definitions is, if it is here."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
APPDEFS = ROOT.parent / "shared" / "corpus" / "appdefs"
FILES = sorted(APPDEFS.glob("*.json"))

needs_corpus = pytest.mark.skipif(not FILES, reason=f"the collection of real definitions is not at {APPDEFS}")
