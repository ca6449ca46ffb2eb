"""Images of the examples' own, made while the demo is up: one after the other, a reason where one is not made, no rest."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from portal.local.demo_images import OwnImages
from tests.faults.site import eventually
from tests.watchdog import ends

# Stands for image.sh: `check` knows one recipe as made, `build` does what the recipe's Dockerfile says.
SCRIPT = """#!/bin/sh
case $1 in
    check) [ "$(basename "$2")" = made ] && echo sha256:made && exit 0; exit 4 ;;
    build) . "$2/Dockerfile" ;;
esac
"""


@pytest.fixture
def examples(tmp_path: Path) -> Callable[..., Path]:
    def made(**recipes: str) -> Path:
        for name, recipe in recipes.items():
            folder = tmp_path / "examples" / name
            folder.mkdir(parents=True)
            (folder / "Dockerfile").write_text(recipe)
        (tmp_path / "examples" / "shared").mkdir()
        return tmp_path / "examples"

    return made


class Told:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.published: list[tuple[str, str]] = []

    def publish(self, name: str, image_id: str) -> None:
        self.published.append((name, image_id))


def images(examples: Path, told: Told) -> OwnImages:
    script = examples.parent / "image.sh"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    return OwnImages(examples, examples.parent / "state", dict(os.environ), told.lines.append, told.publish, script)


def tended(own: OwnImages, until: Callable[[], bool]) -> None:
    def done() -> bool:
        own.tend()
        return until()

    eventually(done, 20)


def test_what_is_made_is_ready_and_the_rest_comes_later(examples: Callable[..., Path]) -> None:
    told = Told()
    own = images(examples(made="", one="sleep 0.1; echo sha256:one", two="echo sha256:two"), told)
    assert own.ready() == {"made": "sha256:made"}
    assert own.missing == ["one", "two"]
    own.begin()
    tended(own, lambda: len(told.published) == 2)
    assert told.published == [("one", "sha256:one"), ("two", "sha256:two")]
    assert "the examples one and two" in told.lines[0]
    own.tend()
    own.stop()


def test_an_image_that_is_not_made_leaves_its_example_out_with_the_reason(examples: Callable[..., Path]) -> None:
    told = Told()
    failing = "echo 'Fetching the packages ...' >&2; echo 'Fetching failed. Is PyPI reachable? The last lines of x:' >&2; echo 'Trace' >&2; exit 1"
    forbidden = "echo 'mmdebstrap is not installed, and DEMO_INSTALL=0 forbids installing it.' >&2; exit 3"
    own = images(examples(failing=failing, forbidden=forbidden, good="echo sha256:good"), told)
    own.ready()
    own.begin()
    tended(own, lambda: bool(told.published))
    assert told.published == [("good", "sha256:good")]
    said = "\n".join(told.lines)
    assert "The example failing is left out: its image was not made. Fetching failed. Is PyPI reachable?" in said
    assert "image-failing.log" in said
    assert "Trace" not in said
    assert "forbids installing it" in said


def test_ending_the_demo_ends_what_is_being_made_with_its_children(examples: Callable[..., Path]) -> None:
    told = Told()
    own = images(examples(slow='sleep 300 & echo $! >"$2/child"; wait'), told)
    own.ready()
    own.begin()
    child = own.examples / "slow" / "child"
    eventually(lambda: child.exists() and bool(child.read_text().strip()), 10)
    with ends():
        own.stop()
    eventually(lambda: not _runs(int(child.read_text())), 10, "The end of the child")
    assert told.published == []
    own.stop()


def test_nothing_is_said_where_all_is_made(examples: Callable[..., Path]) -> None:
    told = Told()
    own = images(examples(made=""), told)
    assert own.ready() == {"made": "sha256:made"}
    own.begin()
    own.tend()
    own.stop()
    assert told.lines == []


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
