"""What the curate pages show of forms, machines and jobs: nothing is written, and nobody's typing is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps_catalog import services
from apps_catalog.models import Version
from jobs.models import Job, MachineType
from jobs.usage_of_parameters import usage_of
from portal.people.models import User
from tests.apps_catalog.drafts import import_draft, publish_new
from tests.apps_catalog.launch.test_overlay import PARAMETERS
from tests.factories import make_job, make_machine

pytestmark = pytest.mark.django_db
COMMANDS: dict[str, Any] = {
    "run": {"path": "/bin/run", "name": "Run", "description": "", "parameters": PARAMETERS},
    "look": {
        "path": "/bin/look",
        "name": "<b>Look",
        "description": "",
        "machines": ["ng*"],
        "parameters": {
            "case": {"name": "Case", "description": "", "type": "FILE", "filter": "*.csv", "required": True},
            "up": {"name": "Up", "description": "", "type": "UPLOAD", "target": "x.json", "required": True, "size": 99},
        },
    },
}


@pytest.fixture
def client(curator: User, folders: Path) -> Client:
    found = Client()
    found.force_login(curator)
    return found


@pytest.fixture
def draft(curator: User) -> Version:
    make_machine("n1")
    make_machine("small", aliases=["ng4"])
    return import_draft(actor=curator, commands=COMMANDS)


def seen(answer: Any) -> str:
    assert answer.status_code == 200, answer.content
    text: str = answer.content.decode()
    return text


class TestDryRun:
    def test_shows_the_plan_of_made_up_values_of_a_draft(self, client: Client, draft: Version) -> None:
        page = seen(client.get(f"{draft.get_curate_url()}dry-run/"))
        assert "&lt;Title&gt;" in page
        for word in ("/bin/run", "-n", "/tmp/out"):
            assert word in page
        assert not Job.objects.exists()

    def test_files_need_not_be_there_and_uploads_are_made_up(self, client: Client, draft: Version) -> None:
        page = seen(client.get(f"{draft.get_curate_url()}dry-run/?command=look"))
        assert "/data/folder/file.csv" in page
        assert "/opt/x.json" in page
        assert "&lt;b&gt;Look" in page

    def test_follows_what_the_curator_changes_and_says_what_is_wrong(self, client: Client, draft: Version) -> None:
        address = f"{draft.get_curate_url()}dry-run/"
        body = {"app": draft.app.slug, "command": "run", "machine": "n1", "parameters": {"-t": "mine", "-n": 65}}
        assert "Must be at most 64" in seen(client.post(address, {"json": json.dumps(body)}))
        body["parameters"] = {"-t": "mine", "-n": 3}
        assert "mine" in seen(client.post(address, {"json": json.dumps(body)}))
        for text in ("", "{", "[1]", '{"command": 3}', "[" * 9999):
            seen(client.post(address, {"json": text}))


class TestMachines:
    def test_names_what_fits_nothing_here(self, client: Client, draft: Version) -> None:
        address = f"{draft.get_curate_url()}machines/"
        assert "findings" not in seen(client.get(address)), "by name, or by alias"
        MachineType.objects.filter(name="small").update(aliases=[])
        page = seen(client.get(address))
        assert "<code>ng*</code>" in page
        assert "No machine type here fits the command <bdi>&lt;b&gt;Look</bdi>" in page
        assert "<code>n*</code>" not in page


class TestForms:
    def test_a_version_shows_its_forms_with_the_overlay(self, client: Client, curator: User, draft: Version) -> None:
        overlay = {"commands": {"look": {"hidden": True}, "run": {"parameters": {"-n": {"label": "Cores here"}}}}}
        services.set_overlay(version=draft, actor=curator, overlay=overlay)
        page = seen(client.post(f"{draft.get_curate_url()}overlay/preview/"))
        assert "Cores here" in page
        assert "Look" not in page


class TestUsage:
    def test_counts_what_leaves_its_default_and_tells_no_typing(
        self, client: Client, curator: User, owner: User
    ) -> None:
        make_machine("n1")
        version = publish_new(actor=curator, commands=COMMANDS)
        for given in (
            {"-t": "secret project", "-n": 4, "-m": "Fine", "-v": True},
            {"-t": "secret project", "-n": "4", "-m": "f", "-v": "true"},
            {"-t": "", "-n": 9, "-m": "Coarse", "-gone": 1},
            {},
        ):
            make_job(owner, version=version, command="run", parameters=given)
        (run, look) = usage_of(version.app, services.spec_of(version))
        found = {one.parameter.key: one for one in run.parameters}
        assert (run.jobs, look.jobs) == (4, 0)
        assert {key: one.percent for key, one in found.items()} == {
            "-n": 25,
            "-t": 50,
            "-m": 50,
            "-v": 50,
            **dict.fromkeys(("-s", "-f", "up"), 0),
        }
        assert found["-m"].top == [("Coarse", 2, 50), ("Fine", 2, 50)]
        assert found["-v"].top == [("off", 2, 50), ("on", 2, 50)]
        page = seen(client.get(f"{version.get_curate_url()}usage/"))
        assert "secret project" not in page
        assert "latest 4 jobs" in page
        fresh = import_draft(actor=curator)
        assert "Nobody has launched" in seen(client.get(f"{fresh.get_curate_url()}usage/"))

    def test_odd_rows_are_passed_over(self, curator: User, owner: User) -> None:
        version = publish_new(actor=curator, commands=COMMANDS)
        make_job(owner, version=version, command="gone", parameters={"-n": 1})
        make_job(owner, version=version, command="run", parameters=["-n"])
        make_job(owner, version=version, command="run", parameters={"-m": {"option": 1}, "-n": None, "-v": [1]})
        (run, _) = usage_of(version.app, services.spec_of(version))
        assert run.jobs == 1


def test_nothing_of_it_is_for_others(stranger: User, draft: Version) -> None:
    client = Client()
    client.force_login(stranger)
    for part in ("dry-run", "machines", "usage"):
        assert client.get(f"{draft.get_curate_url()}{part}/").status_code == 403


def test_the_version_page_asks_for_all_of_it_by_address(client: Client, draft: Version) -> None:
    page = seen(client.get(draft.get_curate_url()))
    for part in ("dry-run", "machines", "usage", "overlay/preview"):
        assert f"{draft.get_curate_url()}{part}/" in page


def test_an_image_without_a_definition_gets_one_to_start_from(client: Client) -> None:
    page = seen(client.get("/curate/import/?start=default&image=docker.io/acme/mesh:2"))
    assert "Runs programs of the image docker.io/acme/mesh:2." in page
    assert 'value="docker.io/acme/mesh:2"' in page
    assert "Can be imported" in page
