"""The examples' programs, run here as their containers run them (the containers themselves: tests/faults, make demo)."""

from __future__ import annotations

import csv
import json
import math
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.authored import expands
from apps_catalog.launch.conditions import present

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = ("csv-stats", "gallery", "pi", "word-count")


def run(program: str, results: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The program beside plot.py, as in the image, with the standard library alone."""
    folder = results.parent / "programs"
    folder.mkdir(exist_ok=True)
    for source in (EXAMPLES / "plot.py", EXAMPLES / program):
        shutil.copy(source, folder)
    results.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-S", "-s", str(folder / Path(program).name), *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"RESULTS_DIR": str(results), "LC_ALL": "C.UTF-8"},
    )


def is_picture(path: Path) -> bool:
    head = path.read_bytes()[:24]
    width, height = struct.unpack("!II", head[16:24])
    return head.startswith(b"\x89PNG\r\n\x1a\n") and width >= 900 and height >= 200


@pytest.mark.parametrize("name", NAMES)
def test_definition_names_a_program_of_the_image(name: str) -> None:
    definition = json.loads((EXAMPLES / name / "AppDef.json").read_text())
    command = next(iter(definition["commands"].values()))
    program = Path(command["path"]).name
    assert command["path"] == f"/opt/slipway/examples/{program}"
    assert f"{name}/{program}" in (EXAMPLES / "Dockerfile").read_text()
    assert (EXAMPLES / name / program).read_text().startswith("#!/usr/bin/python3\n")
    assert definition["machines"] == ["n*"]


def test_gallery_has_every_parameter_type() -> None:
    definition = json.loads((EXAMPLES / "gallery" / "AppDef.json").read_text())
    types = {parameter["type"] for parameter in definition["commands"]["show"]["parameters"].values()}
    assert types == {"CONST", "STR", "INT", "RANGE", "FLOAT", "BOOL", "selection", "FILE", "UPLOAD"}


def test_gallery_shows_what_the_author_may_say() -> None:
    reading = read_appdef((EXAMPLES / "gallery" / "AppDef.json").read_bytes())
    assert reading.spec is not None
    assert not [finding for finding in reading.findings if finding.level != "info"]
    show, script = reading.spec.commands.values()
    assert {key for key in show.parameters if key not in present(show, {})} == {"-depth", "-explain", "-words"}
    assert show.parameters["-brief"].ifnot == ("-details",)
    assert expands(str(show.parameters["-host"].default), reading.spec.definition_version)
    assert script.cmdscript.startswith("#!/bin/sh\n")
    assert "GALLERY_NOTE" in reading.spec.variables_of(show)


def test_the_script_of_the_gallery_is_one_for_any_shell(tmp_path: Path) -> None:
    reading = read_appdef((EXAMPLES / "gallery" / "AppDef.json").read_bytes())
    assert reading.spec is not None
    told = tmp_path / "told.sh"
    told.write_text(reading.spec.commands["script"].cmdscript)
    assert subprocess.run(["/bin/sh", "-n", str(told)], check=False, capture_output=True).returncode == 0


def test_gallery_prints_its_words_unchanged(tmp_path: Path) -> None:
    words = ["show", "-title", 'it\'s "5" $HOME\nand more', "-count", "2", "ünï ⚓"]
    done = run("gallery/gallery.py", tmp_path / "results", *words)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "results" / "words.json").read_text())["words"] == words
    assert repr(words[2]) in done.stdout


def test_pi_is_about_right_and_repeatable(tmp_path: Path) -> None:
    answers = []
    for attempt in ("first", "second"):
        done = run("pi/pi.py", tmp_path / attempt, "-thousands", "200", "-seed", "4", "-chart")
        assert done.returncode == 0, done.stderr
        answers.append(json.loads((tmp_path / attempt / "pi.json").read_text()))
    assert answers[0]["pi"] == answers[1]["pi"]
    assert abs(answers[0]["error"]) < 5 * answers[0]["standard_error"]
    assert math.isclose(answers[0]["pi"], math.pi, abs_tol=0.02)
    assert is_picture(tmp_path / "first" / "convergence.png")
    with (tmp_path / "first" / "convergence.csv").open() as file:
        assert len(list(csv.reader(file))) == 101


@pytest.mark.parametrize(
    ("name", "rows", "words"),
    [
        ("weather-station", 365, ("-plot", "histogram", "-bins", "30")),
        ("river-levels", 504, ("-plot", "line", "-column", "level_cm")),
        ("bearing-test", 240, ("-semicolons", "-column", "diameter_mm")),
    ],
)
def test_statistics_of_each_sample_file(tmp_path: Path, name: str, rows: int, words: tuple[str, ...]) -> None:
    source = EXAMPLES / "vault" / "measurements" / f"{name}.csv"
    done = run("csv-stats/csv_stats.py", tmp_path / "results", "-file", str(source), *words)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "results" / "stats.json").read_text())
    assert found["rows"] == rows
    for column in found["columns"].values():
        assert column["minimum"] <= column["lower_quartile"] <= column["median"] <= column["maximum"]
    assert is_picture(tmp_path / "results" / "plot.png")


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        (None, (), "is not there"),
        ("", (), "0 rows and no column of numbers"),
        ("a;b\n1;2\n", (), "semicolons"),
        ("a,b\n1,2\n", ("-column", "c"), "no column of numbers named 'c'. It has: a, b."),
    ],
)
def test_statistics_say_what_is_wrong_with_a_file(
    tmp_path: Path, text: str | None, words: tuple[str, ...], said: str
) -> None:
    source = tmp_path / "some.csv"
    if text is not None:
        source.write_text(text)
    done = run("csv-stats/csv_stats.py", tmp_path / "results", "-file", str(source), *words)
    assert done.returncode == 1
    assert said in done.stderr


def test_one_row_and_equal_values_are_drawn_too(tmp_path: Path) -> None:
    source = tmp_path / "one.csv"
    for text in ("a\n5\n", "a\n5\n5\n5\n"):
        source.write_text(text)
        for kind in ("histogram", "line"):
            done = run("csv-stats/csv_stats.py", tmp_path / "results", "-file", str(source), "-plot", kind)
            assert done.returncode == 0, done.stderr


def test_words_are_counted_and_drawn(tmp_path: Path) -> None:
    done = run("word-count/word_count.py", tmp_path / "results", "-input", str(EXAMPLES / "word-count" / "sample.txt"))
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "results" / "summary.json").read_text())
    assert found["words"] == sum(found["lengths"].values())
    with (tmp_path / "results" / "words.csv").open() as file:
        assert next(iter(csv.DictReader(file)))["word"] == "the"
    assert is_picture(tmp_path / "results" / "words.png")


def test_a_text_without_words_is_refused_plainly(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("123 ...\n")
    done = run("word-count/word_count.py", tmp_path / "results", "-input", str(tmp_path / "empty.txt"))
    assert (done.returncode, "no word of 1 or more letters" in done.stderr) == (1, True)
