"""The import_apps command: one report a file, no bad file stops it, the exit code says whether all went well."""

from __future__ import annotations

import json
import os
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps_catalog.models import App, Version
from portal.people.models import User
from tests.apps_catalog.drafts import appdef_text

pytestmark = pytest.mark.django_db


def run(*args: Any) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, the reports, and what was said beside them."""
    out, err = StringIO(), StringIO()
    code = 0
    try:
        call_command("import_apps", *map(str, args), "--json", stdout=out, stderr=err)
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "one.json").write_text(appdef_text(name="One"))
    (tmp_path / "deep" / "er" / "TWO.JSON").write_text(appdef_text(name="Two"))
    (tmp_path / "notes.txt").write_text("no")
    return tmp_path


def test_folders_are_searched_at_any_depth(folder: Path) -> None:
    code, reports, said = run(folder)
    assert code == 0
    assert {report["app"] for report in reports} == {"One", "Two"}
    assert all(report["ok"] and report["commands"] == ["say"] and report["created"] for report in reports)
    assert set(App.objects.values_list("slug", flat=True)) == {"one", "two"}
    assert "2 of 2 files imported" in said
    assert Version.objects.filter(created_by=None).count() == 2


def test_a_dry_run_writes_nothing(folder: Path) -> None:
    code, reports, _ = run(folder, "--dry-run")
    assert code == 0
    assert [report["created"] for report in reports] == [False, False]
    assert not App.objects.exists()


def test_a_second_run_adds_nothing(folder: Path) -> None:
    run(folder)
    code, reports, _ = run(folder)
    assert code == 0
    assert [(report["ok"], report["created"]) for report in reports] == [(True, False)] * 2
    assert Version.objects.count() == 2


def test_bad_files_are_reported_and_passed_over(folder: Path) -> None:
    (folder / "a.json").write_text('{"name": "x",}')
    (folder / "b.json").write_bytes(b"\xff\xfe\x00")
    (folder / "c.json").write_text("")
    os.mkfifo(folder / "d.json")
    (folder / "e.json").symlink_to(folder / "nowhere")
    (folder / "f.json").mkdir()
    code, reports, said = run(folder, folder / "missing.json")
    assert code == 1
    assert sum(report["ok"] for report in reports) == 2
    refused = [report for report in reports if not report["ok"]]
    assert all(any(finding["level"] == "error" for finding in report["findings"]) for report in refused)
    assert len(refused) == 7
    assert "2 of 9 files imported" in said


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(100 * 2**20)
    code, [report], _ = run(huge)
    assert code == 1
    assert report["findings"][0]["code"] == "too-large"


def test_a_folder_without_definitions_is_an_error(tmp_path: Path) -> None:
    code, [report], _ = run(tmp_path)
    assert (code, report["ok"]) == (1, False)


def test_names_that_are_no_text_are_no_trouble(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\xfe.json"
    Path(os.fsdecode(path)).write_text(appdef_text())
    out = StringIO()
    call_command("import_apps", str(tmp_path), stdout=out, stderr=StringIO())
    assert run(tmp_path)[0] == 0


def test_what_is_imported_can_be_published_at_once(folder: Path, curator: User) -> None:
    code, _, _ = run(folder, "--publish", "--image", "docker.io/library/python:3.12", "--as", curator.username)
    assert code == 0
    assert App.objects.filter(published=True).count() == 2
    assert Version.objects.filter(created_by=curator, image="docker.io/library/python:3.12").count() == 2
    assert run(folder, "--publish")[0] == 0


def test_who_imports_must_be_a_curator(folder: Path, stranger: User) -> None:
    with pytest.raises(CommandError, match="not a curator"):
        run(folder, "--as", stranger.username)
    with pytest.raises(CommandError, match="no person"):
        run(folder, "--as", "nobody")
    with pytest.raises(CommandError, match="no image reference"):
        run(folder, "--image", "a b")


def test_the_report_for_people_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{\n "name": "x",\n}')
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("import_apps", str(tmp_path), stdout=out, stderr=StringIO())
    assert "REFUSED" in out.getvalue()
    assert "3:1" in out.getvalue()
