"""The file pages over HTTP: who may, what is shown and how it is written, what comes back, and the two upload doors."""

from __future__ import annotations

import asyncio
import html
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import reverse

from jobs import vaults
from jobs.models import Vault
from jobs.views.downloads import Attachment
from portal.people.models import AuditEvent, User
from tests.jobs.trees import SECRET, outside, plant_traps
from tests.jobs.vault_files import at, names, put, said

pytestmark = pytest.mark.django_db
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "\"'><script>alert(1)<",
    "{{ 7|add:7 }}",
    "\U0001f680",
    "\u202egnp.exe",
    "n" * 255,
]


@pytest.fixture
def vault(owner: User) -> Vault:
    return vaults.create_vault(name="home", owner=owner)


@pytest.fixture
def page(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


# Who may


READS = ["files", "files-download", "picker"]
WRITES = ["files-upload", "files-mkdir", "files-rename", "files-move", "files-delete"]


@pytest.mark.parametrize("view", READS + WRITES)
def test_a_vault_that_is_not_yours_is_not_found(view: str, vault: Vault, teammate: User, stranger: User) -> None:
    put(vault, "a")
    for person in (teammate, stranger):
        client = Client()
        client.force_login(person)
        asked = {"path": "a", "name": "a", "to": "b", "sure": "yes"}
        response = client.get(at(view, path="a")) if view in READS else client.post(at(view), asked)
        missing = client.get(at(view, "none", path="a")) if view in READS else client.post(at(view, "none"), asked)
        assert (response.status_code, missing.status_code) == (404, 404)
    assert names(vault) == ["a"]


@pytest.mark.parametrize("view", READS + WRITES)
def test_nobody_is_sent_to_sign_in(view: str, vault: Vault) -> None:
    response = Client().get(at(view)) if view in READS else Client().post(at(view))
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("account_login"))


@pytest.mark.parametrize("view", WRITES)
def test_changes_are_posted_with_a_token(view: str, vault: Vault, owner: User, page: Client) -> None:
    put(vault, "a")
    assert page.get(at(view)).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(owner)
    assert strict.post(at(view), {"name": "a", "to": "b", "sure": "yes"}).status_code == 403
    raw = strict.post(at(view, name="b"), b"x", content_type="application/octet-stream")
    assert raw.status_code == 403
    assert names(vault) == ["a"]


def test_teammates_share_a_team_s_vault(owner: User, teammate: User) -> None:
    ours = vaults.create_vault(name="ours", team=owner.teams.get())
    client = Client()
    client.force_login(teammate)
    client.post(at("files-mkdir", ours), {"path": "", "name": "made"})
    assert names(ours) == ["made"]
    assert "Crew" in said(client.get(reverse("jobs:vaults")))


# What is shown


def test_the_first_visit_makes_a_vault_and_shows_how_full_it_is(page: Client, settings: Any) -> None:
    settings.VAULT_QUOTA_MIB = 10
    text = said(page.get(reverse("jobs:vaults")))
    assert "0 B of 10 MiB used" in text
    assert Vault.objects.get().name == "owner"


def test_hostile_names_are_text_everywhere_and_isolated(page: Client, vault: Vault) -> None:
    for name in HOSTILE:
        put(vault, name)
    vaults.make_folder(vault, "<b>folder")
    for address in (at("files"), at("picker"), at("files", path="<b>folder"), at("picker", path="<b>folder")):
        source = page.get(address).content.decode()
        assert "<img src=x" not in source
        assert "<script>alert" not in source
        assert "<b>folder" not in source
    source = page.get(at("files")).content.decode()
    for name in HOSTILE:
        assert f"<bdi>{html.escape(name)}</bdi>" in source


def test_questions_write_hostile_names_as_text(page: Client, vault: Vault) -> None:
    for name in HOSTILE:
        put(vault, name)
    for view in ("files-move", "files-delete"):
        source = page.post(at(view), {"path": "", "name": HOSTILE}).content.decode()
        assert "<img src=x" not in source
        assert "<script>alert" not in source


def test_links_and_pipes_are_shown_as_skipped(page: Client, vault: Vault, tmp_path: Path) -> None:
    traps = plant_traps(vaults.root_of(vault), outside(tmp_path) / "secret.txt")
    text = said(page.get(at("files")))
    assert text.count("skipped: ") == len(traps)
    for name in traps:
        response = page.get(at("files-download", path=name))
        assert response.status_code == 400
        assert SECRET not in response.content
    assert page.get(at("files-download", path="folder-link/secret.txt")).status_code == 400
    assert page.get(at("files", path="folder-link")).status_code == 400


@pytest.mark.parametrize("path", ["../outside", "..", "/etc/passwd", "a/../../b", "a\0b", "%2e%2e/%2e%2e", "....//"])
@pytest.mark.parametrize("view", READS)
def test_paths_that_lead_out_are_refused_at_every_door(page: Client, vault: Vault, view: str, path: str) -> None:
    assert page.get(at(view, path=path)).status_code in (400, 404)
    assert page.get(f"{at(view)}?path={quote(quote(path))}").status_code in (400, 404)


@pytest.mark.slow
def test_ten_thousand_files_come_in_pages(page: Client, vault: Vault) -> None:
    root = vaults.root_of(vault)
    for number in range(10_000):
        (root / f"file-{number:05}").touch()
    first = said(page.get(at("files")))
    assert "1 to 200 of 10,000" in first
    assert first.count("<tr>") == 201
    assert "9,801 to 10,000 of 10,000" in said(page.get(at("files", page="50")))
    assert "file-09999" in said(page.get(at("files", search="9999")))
    assert "The first 200 of 10,000." in said(page.get(at("picker")))
    last = said(page.get(at("picker", offset="9800")))
    assert "10,000 entries" in last
    assert last.count('role="option"') == 200
    assert "picker-10000" in last
    for odd in ("-1", "x", "99999999999", "20000"):
        assert page.get(at("picker", offset=odd)).status_code == 200


@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "page=x", "page=999999", "page=99999999999", "sort=evil", "sort="]
)
def test_odd_queries_still_give_a_page(page: Client, vault: Vault, query: str) -> None:
    put(vault, "a")
    assert page.get(f"{at('files')}?{query}").status_code == 200


def test_empty_folders_and_empty_searches_say_what_to_do(page: Client, vault: Vault) -> None:
    assert "This folder is empty" in said(page.get(at("files")))
    assert "Nothing of that name is here" in said(page.get(at("files", search="x")))


def test_a_folder_and_a_vault_without_files_that_are_not_there_say_so(page: Client, vault: Vault, owner: User) -> None:
    vaults.create_vault(name="none", owner=owner, type=Vault.Type.NONE)
    assert page.get(at("files", path="none")).status_code == 404
    assert "keeps no files" in said(page.get(at("files", "none")))


def test_a_page_takes_as_many_queries_for_many_files_as_for_one(
    page: Client, vault: Vault, django_assert_max_num_queries: Any
) -> None:
    for number in range(50):
        (vaults.root_of(vault) / str(number)).touch()
    page.get(at("files"))
    with django_assert_max_num_queries(9):
        page.get(at("files"))


# The picker


def test_the_picker_keeps_to_the_author_s_patterns_and_always_shows_folders(page: Client, vault: Vault) -> None:
    for name in ("a.c", "b.PY", "x.py", "y.txt"):
        put(vault, name)
    vaults.make_folder(vault, "folder")
    put(vault, "folder/deep.c")
    source = page.get(at("picker", filter="*.c|*.py")).content.decode()
    assert 'data-choose="a.c"' in source
    assert 'data-choose="x.py"' in source
    assert 'data-go="folder"' in source
    assert "b.PY" not in source
    assert "y.txt" not in source
    assert 'data-choose="folder/deep.c"' in page.get(at("picker", path="folder", filter="*.c")).content.decode()


# Downloads


def test_a_download_is_an_attachment_that_no_browser_draws(page: Client, vault: Vault) -> None:
    put(vault, "page.html", b"<script>alert(1)</script>")
    response = page.get(at("files-download", path="page.html"))
    assert b"".join(response) == b"<script>alert(1)</script>"
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"] == 'attachment; filename="page.html"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"].startswith("sandbox")
    assert response["Content-Length"] == "25"
    response.close()


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("\u00fcn\u00ef.txt", "attachment; filename*=utf-8''%C3%BCn%C3%AF.txt"),
        ('a"b.txt', 'attachment; filename="a\\"b.txt"'),
        ("\u202egnp.exe", 'attachment; filename="gnp.exe"'),
        ("line\nbreak\r.txt", 'attachment; filename="linebreak.txt"'),
        ("back\\slash", 'attachment; filename="slash"'),
    ],
)
def test_names_of_downloads_are_written_as_rfc_6266_says(
    page: Client, vault: Vault, name: str, disposition: str
) -> None:
    (vaults.root_of(vault) / name).touch()
    response = page.get(at("files-download", path=name))
    assert response["Content-Disposition"] == disposition
    response.close()


def test_a_download_streams_under_asgi_and_ends_where_the_file_did(vault: Vault) -> None:
    put(vault, "grows", b"x" * 600_000)
    response = Attachment(vaults.open_file(vault, "grows"), "grows")
    with (vaults.root_of(vault) / "grows").open("ab") as file:
        file.write(b"more")

    async def read() -> list[int]:
        return [len(piece) async for piece in response]

    sizes = asyncio.run(read())
    response.close()
    assert sum(sizes) == 600_000
    assert max(sizes) <= 2**18


# Changes


def test_folders_are_made_once_and_under_fit_names(page: Client, vault: Vault) -> None:
    page.post(at("files-mkdir"), {"path": "", "name": " runs "})
    again = page.post(at("files-mkdir"), {"path": "", "name": "runs"}, follow=True)
    assert "'runs' is there already." in said(again)
    for name in ("a/b", "..", "", "a\\b"):
        page.post(at("files-mkdir"), {"path": "", "name": name})
    assert names(vault) == ["runs"]


def test_renaming_asks_first_and_says_at_the_field_what_is_wrong(page: Client, vault: Vault) -> None:
    put(vault, "a")
    put(vault, "b")
    asked = page.post(at("files-rename"), {"path": "", "name": "a"})
    assert 'value="a"' in said(asked)
    refused = page.post(at("files-rename"), {"path": "", "name": "a", "to": "b"})
    assert refused.status_code == 409
    assert 'aria-invalid="true"' in said(refused)
    assert page.post(at("files-rename"), {"path": "", "name": "a", "to": "../c"}).status_code == 400
    assert page.post(at("files-rename"), {"path": "", "name": "a", "to": "c"}).status_code == 302
    assert names(vault) == ["b", "c"]
    two = page.post(at("files-rename"), {"path": "", "name": ["b", "c"]}, follow=True)
    assert "Choose one file or folder" in said(two)


def test_moving_asks_for_a_folder_and_moves_what_was_chosen(page: Client, vault: Vault) -> None:
    vaults.make_folder(vault, "to")
    for name in ("a", "b", "c"):
        put(vault, name)
    assert '<option value="to">' in said(page.post(at("files-move"), {"path": "", "name": ["a", "b"]}))
    page.post(at("files-move"), {"path": "", "name": ["a", "b"], "to": "to"})
    assert (names(vault), names(vault, "to")) == (["to", "c"], ["a", "b"])
    missing = page.post(at("files-move"), {"path": "", "name": "c", "to": "nowhere"})
    assert missing.status_code == 404
    assert "nowhere" in said(missing)
    assert page.post(at("files-move"), {"path": "", "name": "c", "to": "../.."}).status_code == 400
    page.post(at("files-move"), {"path": "to", "name": "a", "to": ""})
    assert names(vault) == ["to", "a", "c"]


def test_deleting_asks_first_then_removes_and_leaves_a_trace(page: Client, vault: Vault, owner: User) -> None:
    vaults.make_folder(vault, "folder")
    put(vault, "folder/inside")
    put(vault, "a")
    asked = page.post(at("files-delete"), {"path": "", "name": ["folder", "a"]})
    assert "can't be undone" in said(asked)
    assert names(vault) == ["folder", "a"]
    done = page.post(at("files-delete"), {"path": "", "name": ["folder", "a"], "sure": "yes"}, follow=True)
    assert "2 things were deleted." in said(done)
    assert names(vault) == []
    event = AuditEvent.objects.get(action="files.deleted")
    assert (event.actor, event.target, event.detail["count"]) == (owner, "home", 2)
    nothing = page.post(at("files-delete"), {"path": ""}, follow=True)
    assert "choose files or folders first" in said(nothing)


def test_a_question_for_the_dialog_is_only_the_form(page: Client, vault: Vault) -> None:
    put(vault, "a")
    part = page.post(at("files-delete"), {"path": "", "name": "a"}, headers={"x-requested-with": "dialog"})
    assert part.content.lstrip().startswith(b"<form")


def test_a_file_that_vanishes_meanwhile_is_said(page: Client, vault: Vault) -> None:
    response = page.post(at("files-delete"), {"path": "", "name": "gone", "sure": "yes"}, follow=True)
    assert "There is no 'gone' here." in said(response)
    assert os.listdir(vaults.root_of(vault)) == []  # noqa: PTH208 - hidden ones too
