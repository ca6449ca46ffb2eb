"""manage.py push and manage.py new: what is written can be pushed as it is, and nothing is overwritten."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps_catalog import services
from apps_catalog.models import App, Version
from apps_catalog.samples import write_sample
from portal.errors import Conflict, Invalid
from portal.people.models import User
from tests.apps_catalog.bundle_files import bundle, foldered, manifest, tarred, zipped
from tests.factories import make_version

ROLES = ("app", "partitioner", "assembler")


@pytest.mark.django_db
@pytest.mark.parametrize("role", ROLES)
def test_a_sample_is_pushed_unchanged_and_without_a_remark(role: str, tmp_path: Path) -> None:
    call_command("new", role, "my-first_one", "--in", str(tmp_path))
    call_command("push", str(tmp_path / "my-first_one"), "--activate")
    version = Version.objects.get()
    assert (version.app.slug, version.app.role, version.state, version.findings) == (
        "my-first_one",
        role,
        "published",
        [],
    )
    assert services.spec_of(version).commands["run"].schema is not None


@pytest.mark.parametrize("name", ["", "a b", "../x", "ä", "a" * 65, "a/b", "x\0"])
def test_a_sample_needs_a_name_that_can_be_one(name: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        write_sample("app", name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_sample_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(Conflict, match="nothing is overwritten"):
        write_sample("app", "mine", tmp_path)
    assert not list((tmp_path / "mine").iterdir())
    (tmp_path / "file").write_text("x")
    with pytest.raises(Conflict):
        write_sample("app", "mine", tmp_path / "file")


@pytest.mark.parametrize("role", ROLES)
def test_a_sample_does_what_it_says(role: str, tmp_path: Path) -> None:
    folder = tmp_path / "sample"
    write_sample(role, "sample", tmp_path)
    given, made = tmp_path / "given", tmp_path / "made"
    given.mkdir()
    made.mkdir()
    env = {
        "app": {"TASK_DIR": given, "TASK_RESULTS_DIR": made, "APP_PARAMS": '{"word": "b"}', "CHUNK_NUMBER": "3"},
        "partitioner": {"SOURCE_DIR": given, "CHUNKS_DIR": made, "PARTITIONER_PARAMS": '{"lines": 2}'},
        "assembler": {"TASK_RESULTS_DIR": given, "OUTPUT_DIR": made, "ASSEMBLER_PARAMS": "{}"},
    }[role]
    (given / "data.bin").write_text("a\nb\nB b\n")
    words = [sys.executable, str(folder / "app" / "main.py")]
    subprocess.run(words, check=True, env={**os.environ, **{key: str(value) for key, value in env.items()}}, timeout=60)
    found = {path.name: path.read_text() for path in made.iterdir()}
    assert (
        found
        == {
            "app": {"counted.json": json.dumps({"chunk": 3, "lines": 3, "found": 2})},
            "partitioner": {"data_0.bin": "a\nb\n", "data_1.bin": "B b\n"},
            "assembler": {"all.txt": "a\nb\nB b\n\n"},
        }[role]
    )


@pytest.mark.django_db
def test_archives_and_a_folder_of_bundles_go_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(bundle(manifest(name="a"))).read())
    (tmp_path / "b.tar.gz").write_bytes(tarred(bundle(manifest(name="b")), "gz").read())
    for name in ("c", "d"):
        foldered(bundle(manifest(name=name)), tmp_path / "project" / name)
    (tmp_path / "project" / "README.md").write_text("x")
    call_command("push", *(str(tmp_path / name) for name in ("a.zip", "b.tar.gz", "project")))
    assert sorted(App.objects.values_list("slug", flat=True)) == ["a", "b", "c", "d"]
    assert capsys.readouterr().out.count("new, draft") == 4


@pytest.mark.django_db
def test_what_is_refused_is_told_with_its_place_and_the_rest_goes_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foldered(bundle('{\n "name": "x",\n}'), tmp_path / "bad")
    foldered(bundle(manifest(name="good")), tmp_path / "good")
    foldered({"manifest.json": manifest(name="empty")}, tmp_path / "hollow")
    make_version(App.objects.create(slug="taken", name="Taken"))
    foldered(bundle(manifest(name="taken")), tmp_path / "taken")
    with pytest.raises(SystemExit) as left:
        call_command("push", *(str(tmp_path / name) for name in ("bad", "hollow", "taken", "good")))
    assert left.value.code == 1
    said = capsys.readouterr().err
    assert "manifest.json Line 3, column 1: the comma before this bracket is one too many (a trailing comma)" in said
    assert "There is no folder app with code in it" in said
    assert "The name 'taken' is taken by an AppDef" in said
    assert list(App.objects.exclude(slug="taken").values_list("slug", flat=True)) == ["good"]


@pytest.mark.django_db
def test_a_dry_run_of_push_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("push", str(foldered(bundle(), tmp_path)), "--dry-run")
    assert "it can be imported" in capsys.readouterr().out
    assert not App.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("words", [["/nowhere/at/all"], [""], [".", "--as", "nobody-at-all"], [".", "--as", "owner"]])
def test_a_call_that_is_wrong_exits_2(words: list[str], owner: User) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("push", *words)
    assert refused.value.returncode == 2
    assert owner.username == "owner"


@pytest.mark.django_db
def test_pushing_in_a_curators_name(tmp_path: Path, curator: User) -> None:
    call_command("push", str(foldered(bundle(), tmp_path)), "--as", curator.username)
    assert Version.objects.get().created_by == curator
