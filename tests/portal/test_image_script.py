"""portal/local/image.sh: an image from a recipe, made once, made anew when the recipe changes, and a plain word when it fails."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "portal" / "local" / "image.sh"
RECIPE = "ARG BASE\nFROM $BASE\nCOPY word.txt /word.txt\n"


def image(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT), *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture
def recipe(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / f"test-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    (folder / "Dockerfile").write_text(RECIPE)
    (folder / "word.txt").write_text("one\n")
    yield folder
    subprocess.run(["docker", "image", "rm", "--force", f"slipway-{folder.name}:1"], capture_output=True, check=False)


def said_by(image_id: str) -> str:
    words = ["docker", "run", "--rm", "--network", "none", image_id, "cat", "/word.txt"]
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("words", [(), ("build",), ("check", "/nowhere"), ("paint", "examples/notebook")])
def test_wrong_words_are_answered_with_how_it_is_used(words: tuple[str, ...]) -> None:
    done = image(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: image.sh build RECIPE")


@pytest.mark.docker
def test_an_image_is_made_once_and_again_when_its_recipe_changes(recipe: Path, tmp_path: Path) -> None:
    assert image("check", recipe).returncode == 4
    first = image("build", recipe, tmp_path)
    assert first.returncode == 0, first.stderr
    assert f"Made slipway-{recipe.name}:1: " in first.stderr
    assert said_by(first.stdout.strip()) == "one\n"
    again = image("build", recipe, tmp_path)
    assert (again.stdout, again.stderr) == (first.stdout, ""), "nothing was done"
    (recipe / "AppDef.json").write_text("{}")  # the definition is not in the image
    assert image("check", recipe).stdout == first.stdout
    (recipe / "word.txt").write_text("two\n")
    assert image("check", recipe).returncode == 4
    assert said_by(image("build", recipe, tmp_path).stdout.strip()) == "two\n"


@pytest.mark.docker
def test_a_recipe_that_fails_leaves_the_last_image_and_says_the_log(recipe: Path, tmp_path: Path) -> None:
    made = image("build", recipe, tmp_path).stdout
    (recipe / "Dockerfile").write_text(RECIPE + "RUN echo wanted && getent hosts pypi.org\n")  # there is no network
    done = image("build", recipe, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"Building the image slipway-{recipe.name}:1 failed. The last lines of {tmp_path}" in done.stderr
    assert "wanted" in done.stderr
    tagged = ["docker", "image", "inspect", "--format", "{{.Id}}", f"slipway-{recipe.name}:1"]
    assert subprocess.run(tagged, capture_output=True, text=True, check=True).stdout == made


@pytest.mark.docker
def test_without_the_package_index_it_says_so_and_makes_nothing(recipe: Path, tmp_path: Path) -> None:
    (recipe / "requirements.txt").write_text("# one\nslipway-is-not-there==1.0\n")
    away = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    away |= {"PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}
    done = image("build", recipe, tmp_path, **away)
    assert done.returncode == 1
    assert "Is PyPI, or the index that pip is set to, reachable from here?" in done.stderr
    assert image("check", recipe).returncode == 4


def test_every_recipe_of_ours_lists_exact_packages() -> None:
    for listed in (ROOT / "examples").glob("*/requirements.txt"):
        lines = [line for line in listed.read_text().splitlines() if line and not line.startswith("#")]
        assert lines
        assert all(line.count("==") == 1 for line in lines), listed
    for recipe in (ROOT / "examples").glob("*/Dockerfile"):
        assert "FROM $BASE" in recipe.read_text()
        assert (recipe.parent / "AppDef.json").exists()
