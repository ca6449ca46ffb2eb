"""The images that examples have for themselves: made by `make test`, or by portal/local/image.sh build examples/NAME."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "portal" / "local" / "image.sh"
EXAMPLES = ROOT / "examples"


@cache
def id_of(name: str) -> str:
    """The id of the image made of this recipe as it stands, "" where there is none."""
    words = [str(SCRIPT), "check", str(EXAMPLES / name)]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def image_of(name: str) -> str:
    """Its id; the test is skipped where it is not made, and fails for that in CI."""
    if found := id_of(name):
        return found
    said = (
        f"the image of the example {name} is not made (portal/local/image.sh build examples/{name} STATE, or make test)"
    )
    if os.environ.get("CI"):
        pytest.fail(f"CI must run this test, and {said}.", pytrace=False)
    pytest.skip(said)
