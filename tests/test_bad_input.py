"""Bad input at every door: one table says what each is told and where. Nothing is written, and what was typed stays.

A stopped engine, a missing image, a second worker and killed processes are in tests/faults.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from apps_catalog.models import App, Version
from jobs import folders as folders_of_jobs
from jobs import uploads, vaults
from jobs.models import IdempotencyKey, Job, Task, Upload, Vault
from jobs.placement import why_waiting
from jobs.runtimes.base import RuntimeFault
from portal.local.demo import Demo
from portal.local.demo_client import DemoError
from portal.people.models import User
from tests.apps_catalog.drafts import appdef_text
from tests.factories import DEFINITION, make_app, make_host, make_machine, make_version
from tests.portal.test_api import bearer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
MIB = 2**20
HOSTILE = "\U0001f680 \"quoted\" 'name' <img src=x onerror=alert(1)> \u05e9\u05dc\u05d5\u05dd"
FILES = {
    "-in": {"name": "In", "description": "A file.", "type": "FILE", "required": False, "positional": False},
    "key": {
        "name": "Key",
        "description": "A file.",
        "type": "UPLOAD",
        "required": False,
        "target": "in/key.json",
        "filter": ".json",
        "size": 16,
    },
}


@dataclass
class Site:
    """A curator with an app that takes a file and an upload, and every door of the portal."""

    person: User
    client: Client
    header: dict[str, str]
    version: Version
    vault: Vault

    def import_page(self, text: str = "", **fields: Any) -> Any:
        return self.client.post(reverse("apps_catalog:curate-import"), {"definition": text, **fields})

    def api(self, path: str, body: object) -> Any:
        raw = body if isinstance(body, str | bytes) else json.dumps(body)
        return Client().post(f"/api/v1/{path}", raw, content_type="application/json", headers=self.header)

    def api_import(self, text: object, **more: Any) -> Any:
        return self.api("apps", {"definition": text, **more})

    def api_job(self, parameters: object = None, **more: Any) -> Any:
        return self.api("jobs", {"app": "pi", "vault": self.vault.name, "parameters": parameters or {}, **more})

    def form(self, **fields: Any) -> Any:
        """The launch form as a browser posts it; `_` in front of a name stands for `p:`, for a parameter."""
        sent = {"p:" + name[1:] if name.startswith("_") else name: value for name, value in fields.items()}
        whole = {"command": "throw", "machine": "n1", "vault": self.vault.name, "p:darts": "100", "go": "launch"}
        return self.client.post(reverse("jobs:launch", args=["pi"]), {**whole, **sent})

    def put(self, path: str, data: bytes) -> Any:
        address = f"/api/v1/vaults/{self.vault.name}/files/{path}"
        return Client().put(address, data, content_type="application/octet-stream", headers=self.header)

    def upload(self, name: str, data: bytes) -> dict[str, str]:
        return {"upload": str(uploads.receive(owner=self.person, name=name, chunks=[data], limit_bytes=MIB).pk)}

    def rows(self) -> tuple[int, ...]:
        return tuple(model.objects.count() for model in (App, Version, Job, Task, IdempotencyKey))


@pytest.fixture
def site(curator: User, folders: Path) -> Site:
    make_machine("n1")
    command = {**DEFINITION["commands"]["throw"]}
    command["parameters"] = {**command["parameters"], **FILES}
    version = make_version(make_app(slug="pi"), definition={**DEFINITION, "commands": {"throw": command}})
    client = Client()
    client.force_login(curator)
    header = bearer(curator, "read", "launch", "curate")
    return Site(curator, client, header, version, vaults.create_vault(name="home", owner=curator, quota_mib=1))


def seen(answer: Any) -> str:
    """What stands on the page, or in the problem, as a person reads it."""
    return unescape(answer.content.decode())


def slider() -> str:
    definition = json.loads(appdef_text())
    definition["commands"]["say"]["parameters"] = {"x": {"name": "X", "description": "", "type": "SLIDER"}}
    return json.dumps(definition, indent=1)


UNKNOWN = "has the unknown type 'SLIDER'. The types are CONST, STR"
LONG = "x" * (5 * MIB)
Door = Callable[[Site], Any]

# What comes in, where, the status, and the words that are told there.
TABLE: list[tuple[str, Door, int, str]] = [
    ("invalid JSON, page", lambda s: s.import_page('{"name": "x",\n {'), 422, "Line 2, column 2: a key in double"),
    ("invalid JSON, API", lambda s: s.api_import("{,"), 422, "Line 1, column 2: a key in double quotes"),
    ("invalid JSON, API body", lambda s: s.api("apps", "{,"), 400, "Line 1, column 2"),
    ("invalid JSON, launch", lambda s: s.form(side="json", json="{,"), 422, "Line 1, column 2"),
    ("too deep, launch", lambda s: s.form(side="json", json="[" * 9999), 422, "The text is nested more than 64"),
    ("no UTF-8, page", lambda s: s.import_page(file=SimpleUploadedFile("a.json", b"{\xff")), 422, "is not UTF-8"),
    ("nothing, page", lambda s: s.import_page(), 422, "Paste an AppDef, or choose a file."),
    ("wrong types, page", lambda s: s.import_page('{"commands": [1]}'), 422, "an object with at least one command"),
    ("wrong types, API", lambda s: s.api_import({"name": "x"}), 422, "one JSON string that holds it, not the object"),
    ("wrong types, launch", lambda s: s.api_job({"darts": [1]}), 422, "/parameters/darts"),
    ("unknown type, page", lambda s: s.import_page(slider()), 422, UNKNOWN),
    ("unknown type, API", lambda s: s.api_import(slider()), 422, "/commands/say/parameters/x/type"),
    ("100 MB, page", lambda s: s.import_page(file=SimpleUploadedFile("a", b"x" * 100_000_000)), 422, "95.4 MiB long"),
    ("5 MB, page", lambda s: s.import_page(LONG), 422, "at most 4 MiB are read"),
    ("5 MB, API", lambda s: s.api_import(LONG), 422, "at most 4 MiB are read"),
    ("9 MB, page", lambda s: s.import_page(LONG * 2), 413, "what you entered is still in the form: go back"),
    ("9 MB, API", lambda s: s.api_import(LONG * 2), 413, "The body is longer than 8 MiB."),
    ("9 MB, launch", lambda s: s.form(label=LONG * 2), 413, "what you entered is still in the form: go back"),
    ("bad label, page", lambda s: s.import_page(appdef_text(), label="a b"), 422, "A version label has letters"),
    ("bad label, API", lambda s: s.api_import(appdef_text(), label="a b"), 422, '"pointer":"/label"'),
    ("bad image, API", lambda s: s.api_import(appdef_text(), image="a b"), 422, '"pointer":"/image"'),
    ("out of range, API", lambda s: s.api_job({"darts": 7}), 422, "must be at least 10"),
    ("off the step, API", lambda s: s.api_job({"darts": 15}), 422, "the nearest allowed values are 10 and 20"),
    ("out of range, form", lambda s: s.form(_darts="9999"), 422, "Must be at most 1000."),
    ("no number, form", lambda s: s.form(_darts="many"), 422, "Must be a whole number."),
    (
        "a missing file, API",
        lambda s: s.api_job({"-in": "no.csv"}),
        422,
        "There is no file 'no.csv' in the vault home.",
    ),
    ("a missing file, form", lambda s: s.form(**{"_-in": "no.csv"}), 422, "There is no file 'no.csv' in the vault"),
    ("a missing file, files", lambda s: s.put("no/where.txt", b"x"), 404, "There is no folder 'no' here."),
    ("a path that leads out, API", lambda s: s.api_job({"-in": "../x"}), 422, "'..' is not allowed"),
    ("extension, form", lambda s: s.form(**{"u:key": SimpleUploadedFile("a.exe", b"x")}), 422, "ends in .json"),
    ("extension, API", lambda s: s.api_job({"key": s.upload("a.exe", b"x")}), 422, "must be a file that ends in .json"),
    (
        "too large, form",
        lambda s: s.form(**{"u:key": SimpleUploadedFile("a.json", b"x" * 17)}),
        422,
        "at most 16 bytes",
    ),
    ("too large, API", lambda s: s.api_job({"key": s.upload("a.json", b"x" * 17)}), 422, "this file has 17"),
    ("too large inline, API", lambda s: s.api_job({"key": "A" * 40}), 422, "must be at most 16 bytes"),
    ("no base64, API", lambda s: s.api_job({"key": "no!"}), 422, "must be the file's content as base64 text"),
    (
        "a full vault, files",
        lambda s: s.put("big", b"x" * (MIB + 1)),
        409,
        "The vault 'home' is full: it may hold 1 MiB.",
    ),
    ("unknown machine, API", lambda s: s.api_job(machine="n7"), 422, "There is no machine type 'n7'."),
    ("unknown vault, API", lambda s: s.api_job(vault="nix"), 422, "There is no vault 'nix' among yours."),
    ("unknown command, form", lambda s: s.form(command="nix"), 422, "Is not a command of this app"),
    ("unknown key, API", lambda s: s.api_job(color="red"), 422, "'color' is not a key here."),
    ("a NUL, page", lambda s: s.import_page(appdef_text() + "\0"), 422, "Null characters are not allowed."),
    ("half a character, page", lambda s: s.import_page('{"name": "\\ud800"}'), 422, "half of a surrogate pair"),
]


@pytest.mark.parametrize(("door", "status", "words"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_bad_input_is_told_where_it_came_in_and_writes_nothing(site: Site, door: Door, status: int, words: str) -> None:
    before = site.rows()
    answer = door(site)
    assert answer.status_code == status, answer.content[:2000]
    assert words in seen(answer)
    assert site.rows() == before
    assert vaults.list_folder(site.vault).total == 0


def test_an_icon_of_646_kilobytes_that_is_no_picture_stops_no_import(site: Site) -> None:
    answer = site.api_import(appdef_text(image={"type": "image/png", "data": "A" * 646_000}))
    assert answer.status_code == 201, answer.content
    assert [found["code"] for found in answer.json()["findings"]] == ["icon-large", "icon-unreadable"]


# Nothing is lost


def test_what_was_typed_stays_on_the_page(site: Site) -> None:
    pasted = seen(site.import_page('{"name": "half typed",', slug="short", label="1.0"))
    assert '{"name": "half typed",' in pasted
    assert 'value="short"' in pasted
    form = site.form(_darts="9999", label=HOSTILE, walltime="soon", **{"u:key": SimpleUploadedFile("a.json", b"{}")})
    stored = Upload.objects.get()
    assert 'value="9999"' in seen(form)
    assert 'value="soon"' in seen(form)
    assert HOSTILE in seen(form)
    assert str(stored.pk) in seen(form)


def test_a_file_that_is_too_large_leaves_the_pasted_text(site: Site, settings: Settings) -> None:
    settings.APPDEF_LIMIT_MIB = 1
    answer = site.import_page("mine", file=SimpleUploadedFile("a.json", b"x" * (MIB + 1)))
    assert "mine</textarea>" in seen(answer)
    assert "at most 1 MiB" in seen(answer)


def test_a_nul_is_one_fault_and_not_two(site: Site) -> None:
    assert "Paste an AppDef, or choose a file." not in seen(site.import_page("\0"))


def test_names_are_kept_to_the_letter_and_never_become_markup(site: Site) -> None:
    made = site.api_import(appdef_text(name=HOSTILE))
    assert made.status_code == 201, made.content
    app = App.objects.get(slug=made.json()["app"])
    assert app.name == HOSTILE
    page = site.client.get(f"/curate/apps/{app.slug}/{made.json()['version']}/")
    assert "<img src=x" not in page.content.decode()
    assert HOSTILE in seen(page)
    assert site.put("%F0%9F%9A%80%20%22%3Cb%3E%22", b"x").json()["name"] == '\U0001f680 "<b>"'
    assert "<b>" not in site.client.get("/files/home/").content.decode()
    job = site.api_job(label=HOSTILE)
    assert job.json()["label"] == HOSTILE
    assert "<img src=x" not in site.client.get(f"/jobs/{job.json()['number']}/").content.decode()


def test_a_full_vault_keeps_the_file_that_was_there(site: Site) -> None:
    assert site.put("a", b"first").status_code == 200
    assert site.put("a", b"x" * (MIB + 1)).status_code == 409
    with vaults.open_file(site.vault, "a") as file:
        assert file.read() == b"first"


def test_a_download_that_is_not_there_is_a_file(site: Site) -> None:
    answer = Client().get("/api/v1/vaults/home/files/none.txt", headers=site.header)
    assert (answer.status_code, answer.json()["detail"][:31]) == (404, "There is no file 'none.txt' her")


def test_an_upload_whose_bytes_are_gone_stops_its_job_in_words(site: Site) -> None:
    upload = Upload.objects.get(pk=site.upload("case.json", b"{}")["upload"])
    assert folders_of_jobs.upload_path(str(upload.pk)) == uploads.path_of(upload)
    uploads.path_of(upload).unlink()
    with pytest.raises(RuntimeFault, match=r"The uploaded file 'case.json' is not in the store any more") as gone:
        folders_of_jobs.upload_path(str(upload.pk))
    assert not gone.value.retry


# Machine types


def test_a_machine_that_no_host_serves_makes_a_job_wait_and_say_so(site: Site) -> None:
    make_machine("n9", requires=["gpu=a100"])
    made = site.api_job(machine="n9")
    assert made.status_code == 201
    assert "no host that is up has the tag gpu=a100" in why_waiting(Job.objects.get())


def test_a_machine_nobody_named_is_one_that_a_host_serves(site: Site) -> None:
    make_machine("n2", price_per_hour="2")
    assert site.api_job().json()["machine"] == "n1"
    make_host(serves={"n2": 1})
    assert site.api_job().json()["machine"] == "n2"


# Once


@pytest.mark.parametrize("bad_first", [False, True])
def test_sent_again_it_is_the_same_job(site: Site, bad_first: bool) -> None:
    token = {"token": "0" * 32}
    if bad_first:
        assert site.form(_darts="7", **token).status_code == 422
    answers = [site.form(**token) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [303] * 3
    assert {answer["Location"] for answer in answers} == {f"/jobs/{Job.objects.get().number}/"}


# The command line


def test_an_empty_path_is_refused_and_not_read_as_the_folder_we_are_in(db: None) -> None:
    with pytest.raises(CommandError, match="A PATH is empty"):
        call_command("import_apps", "", "--dry-run", stdout=StringIO(), stderr=StringIO())


def run(*words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"SLIPWAY_STATE", "PORT", "PYTHON"}}
    return subprocess.run(words, cwd=ROOT, env={**kept, **env}, text=True, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize("port", ["abc", "0", "70000", "-1"])
def test_a_port_that_is_none_is_named(tmp_path: Path, port: str) -> None:
    done = run(sys.executable, "-m", "portal.local.demo", "--once", SLIPWAY_STATE=str(tmp_path), PORT=port)
    assert (done.returncode, done.stderr.strip()) == (1, f"PORT is '{port}'. Allowed: a number from 1 to 65535.")


def test_a_state_folder_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    state = str(tmp_path / "file" / "state")
    demo = run(sys.executable, "-m", "portal.local.demo", "--once", SLIPWAY_STATE=state)
    setup = run(ROOT / "portal/local/environment.sh", "requirements.txt", tmp_path / "stamp", SLIPWAY_STATE=state)
    for done in (demo, setup):
        assert done.returncode == 1
        assert f"The state folder {state} can't be" in done.stderr
        assert "Set SLIPWAY_STATE to a folder you may write to." in done.stderr
        assert "Traceback" not in done.stderr


def test_a_setting_that_is_wrong_is_said_without_a_traceback(tmp_path: Path) -> None:
    demo = Demo(tmp_path, env={**os.environ, "SECRET_KEY": "0" * 50, "BODY_LIMIT_MIB": "much"})
    with pytest.raises(DemoError) as refused:
        demo.manage("check")
    said = str(refused.value).splitlines()
    assert said[0] == "manage.py check failed:"
    assert said[1].endswith("BODY_LIMIT_MIB is 'much'. Allowed: a whole number.")
    assert said[2:] == [f"The whole of it is in {tmp_path / 'logs' / 'manage.log'}."]


def test_no_python_that_is_new_enough_is_said(tmp_path: Path) -> None:
    """With a folder of programs where python3 is an old one, in a folder without an environment."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("mkdir", "dirname"):
        (programs / name).symlink_to(f"/usr/bin/{name}" if Path(f"/usr/bin/{name}").exists() else f"/bin/{name}")
    old = programs / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = environment(tmp_path, PATH=str(programs))
    assert done.returncode == 1
    assert done.stderr.startswith("Python 3.11 or newer is needed, and no python3 here is. Install it")


def test_a_package_index_that_does_not_answer_is_said_with_pips_words(tmp_path: Path) -> None:
    """pip is stood in for: an environment whose Python is new enough and whose pip fails."""
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\n[ "$1" = -c ] && exit 0\necho "Could not connect to the index"\nexit 1\n')
    python.chmod(0o755)
    done = environment(tmp_path)
    assert done.returncode == 1
    assert "Installing the Python packages failed: is the package index reachable?" in done.stderr
    assert "Could not connect to the index" in done.stderr
    assert not (tmp_path / "stamp").exists()


def environment(folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "portal" / "local" / "environment.sh"
    kept = {"PATH": os.environ["PATH"], "SLIPWAY_STATE": str(folder / "state"), **env}
    return subprocess.run(
        [script, "requirements.txt", "stamp"],
        cwd=folder,
        env=kept,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
