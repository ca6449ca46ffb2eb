"""Many definitions at once: one run, one review page, quick at 700 files."""

from __future__ import annotations

import json
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client

from apps_catalog.models import App, ImportRun, Version
from portal.people.models import User
from tests.apps_catalog.drafts import appdef_text
from tests.apps_catalog.launch.corpus import FILES, needs_corpus
from tests.watchdog import ends

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture
def client(curator: User) -> Client:
    found = Client()
    found.force_login(curator)
    return found


def sent(*texts: str) -> list[SimpleUploadedFile]:
    return [SimpleUploadedFile(f"<b>{number}.json", text.encode()) for number, text in enumerate(texts)]


def seen(answer: Any) -> str:
    text: str = answer.content.decode()
    return text


def test_several_files_are_imported_in_the_browser_and_looked_over(client: Client) -> None:
    odd = json.loads(appdef_text(name="Odd"))
    del odd["author"]
    files = sent(appdef_text(name="Good"), '{"name": "x",}', json.dumps(odd), "")
    answer = client.post("/curate/imports/", {"files": files})
    assert answer.status_code == 303
    run = ImportRun.objects.get()
    assert [entry["ok"] for entry in run.entries] == [True, False, True, False]
    page = seen(client.get(run.get_absolute_url()))
    assert page.index("&lt;b&gt;1.json") < page.index("&lt;b&gt;2.json") < page.index("&lt;b&gt;0.json"), "errors first"
    assert "/curate/apps/good/1/" in page
    assert "<b>1.json" not in page
    only = seen(client.get(f"{run.get_absolute_url()}?level=error"))
    assert "&lt;b&gt;1.json" in only
    assert "&lt;b&gt;2.json" not in only
    found = seen(client.get(f"{run.get_absolute_url()}?q=AUTHOR"))
    assert "&lt;b&gt;2.json" in found
    assert "&lt;b&gt;1.json" not in found
    assert "No file fits" in seen(client.get(f"{run.get_absolute_url()}?q=nothing-like-it&level=nonsense&page=x"))
    assert "4 files" in seen(client.get("/curate/imports/"))
    assert set(Version.objects.values_list("state", flat=True)) == {"draft"}


def test_nothing_chosen_or_a_bad_image_is_said_at_the_field(client: Client) -> None:
    nothing = client.post("/curate/imports/", {})
    assert nothing.status_code == 422
    assert "Choose one or more" in seen(nothing)
    bad = client.post("/curate/imports/", {"files": sent(appdef_text()), "image": "not an image"})
    assert bad.status_code == 422
    assert "Write a container image" in seen(bad)
    assert not App.objects.exists()


def test_the_command_writes_a_run_too(tmp_path: Path, client: Client) -> None:
    (tmp_path / "one.json").write_text(appdef_text(name="One"))
    (tmp_path / "two.json").write_text("{")
    err = StringIO()
    with pytest.raises(SystemExit):
        call_command("import_apps", str(tmp_path), stdout=StringIO(), stderr=err)
    run = ImportRun.objects.get()
    assert run.get_absolute_url() in err.getvalue()
    assert "two.json" in seen(client.get(run.get_absolute_url()))
    call_command("import_apps", str(tmp_path / "one.json"), "--dry-run", stdout=StringIO(), stderr=StringIO())
    assert ImportRun.objects.count() == 1


@needs_corpus
def test_the_collection_repeated_to_700_files_is_imported(tmp_path: Path, client: Client) -> None:
    for number in range(700):
        text = FILES[number % len(FILES)].read_bytes()
        (tmp_path / f"{number:03}.json").write_bytes(text.rstrip() + b"\n" * (number // len(FILES) + 1))
    with ends(300), suppress(SystemExit):  # some of the collection are not valid
        call_command("import_apps", str(tmp_path), stdout=StringIO(), stderr=StringIO())
    run = ImportRun.objects.get()
    assert len(run.entries) == 700
    for query in ("", "?level=warning&page=3", "?q=positional"):
        assert client.get(f"{run.get_absolute_url()}{query}").status_code == 200
