"""The launch page: what is launched, what the panel says, what fills the form, and what is said when something is wrong."""

from __future__ import annotations

import html
import json
import re
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from apps_catalog.models import App, Version
from jobs import vaults
from jobs.models import Job, MachineType, Upload
from portal.people.models import User
from tests.factories import (
    make_app,
    make_host,
    make_job,
    make_machine,
    make_person,
    make_team,
    make_vault,
    make_version,
)
from tests.jobs.gallery import GALLERY, INPUTS, large, posted


@pytest.fixture
def owner(db: None) -> User:
    return make_person("ada")


@pytest.fixture
def client(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def version(db: None) -> Version:
    make_machine("n1", cores=2, ram_mib=4096, price_per_hour=Decimal("0.5"), order=1)
    make_machine("g1", cores=4, gpus=1, requires=["gpu=a100"], order=2)
    make_machine("x9", order=3)
    make_host("one", serves={"n1": 2})
    return make_version(make_app(slug="gallery", name=GALLERY["name"]), definition=GALLERY, label="1.4")


URL = "/apps/gallery/launch/"


def page(client: Client, query: str = "", status: int = 200) -> str:
    answer = client.get(URL + query)
    assert answer.status_code == status, answer.content.decode()[:2000]
    return answer.content.decode()


def send(client: Client, go: str = "launch", **over: str) -> Any:
    data = posted(**{"p:-case": "run 1", "machine": "n1", "vault": "NONE", "token": "a" * 32, "go": go} | over)
    return client.post(URL, data.dict())


def test_the_form_shows_every_parameter_and_escapes_every_name(client: Client, version: Version) -> None:
    text = page(client)
    for asked in INPUTS.values():
        assert html.escape(f"p:{asked.key}") in text
    assert "<script>alert" not in text
    assert "never shown" not in text.split('id="panel"')[0]
    assert " style=" not in text
    assert "onclick" not in text


def test_machines_are_those_that_match_with_their_state(client: Client, version: Version) -> None:
    text = page(client)
    assert 'value="n1" checked' in text
    assert 'value="g1"' in text
    assert 'value="x9"' not in text
    assert "gpu=a100" in text
    assert "Your job will wait until such a host is up." in text


def test_a_job_is_launched_with_typed_values(client: Client, version: Version, owner: User) -> None:
    answer = send(client, **{"p:darts": "25", "p:ratio": "0.129", "p:few": "2", "label": "first", "walltime": "01:30"})
    assert answer.status_code == 303, answer.content.decode()[:3000]
    job = Job.objects.get()
    assert answer["Location"] == reverse("jobs:job", args=[job.number])
    assert (job.owner, job.label, job.walltime_s, job.machine_type.name) == (owner, "first", 5400, "n1")
    assert job.parameters["darts"] == 25
    assert job.plan["argv"][-5:] == ["0.12", "g2", "choice 0", "entry 0", "never shown"]


def test_a_double_click_makes_one_job(client: Client, version: Version) -> None:
    first, second = send(client), send(client)
    assert first["Location"] == second["Location"]
    assert Job.objects.count() == 1


def test_changed_values_from_the_same_form_are_a_new_job(client: Client, version: Version) -> None:
    assert send(client)["Location"] != send(client, **{"p:-case": "run 2"})["Location"]
    assert Job.objects.count() == 2


def test_faults_are_counted_linked_and_keep_what_was_typed(client: Client, version: Version) -> None:
    answer = send(client, **{"p:-case": "", "p:ratio": "7", "p:\U0001f680 speed": "fast", "label": "kept"})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "3 things to fix before launching" in text
    assert 'href="#p0"' in text
    assert re.search(r'id="p0"[^>]*aria-invalid="true"[^>]*autofocus', text)
    assert 'value="fast"' in text
    assert 'value="kept"' in text
    assert "Must be at most 1." in text
    assert Job.objects.count() == 0


def test_checking_launches_nothing(client: Client, version: Version) -> None:
    assert send(client, go="check").status_code == 200
    assert Job.objects.count() == 0


def test_the_panel_is_the_plan(client: Client, version: Version) -> None:
    data = posted(**{"p:-case": "two words", "machine": "n1", "vault": "NONE", "walltime": "02:00"})
    text = html.unescape(client.post(URL + "preview/", data.dict()).content.decode())
    assert ">'two words'</bdi>" in text
    assert "never shown" in text
    assert "/etc/JARVICE/jobenv.sh" in text
    assert "1.00" in text
    assert "Authorization: Bearer $SLIPWAY_TOKEN" in text
    assert Job.objects.count() == 0


def test_the_panel_hands_every_fault_to_its_field(client: Client, version: Version) -> None:
    text = client.post(URL + "preview/", posted(**{"p:ratio": "7", "machine": "n1"}).dict()).content.decode()
    assert '<li data-name="p:ratio" data-label="Ratio">Must be at most 1.</li>' in text
    assert '<li data-name="p:-case"' in text
    assert "2 things to fix before launching" in text


@pytest.mark.parametrize(
    "query", ["nonsense", "p:-case=%00&vault=%00&machine=%00&team=%00&label=%00", "nodes=x&side=json"]
)
def test_the_panel_bears_any_input(client: Client, version: Version, query: str) -> None:
    answer = client.post(URL + "preview/", query, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200


def test_the_json_side_launches_the_same_job(client: Client, version: Version) -> None:
    answer = send(client, go="side:json")
    assert "/etc/JARVICE/jobenv.sh" in answer.content.decode()
    body = html.unescape(answer.content.decode().split("<textarea", 1)[1].split(">", 1)[1].split("</textarea>")[0])
    assert json.loads(body)["parameters"]["-case"] == "run 1"
    launched = client.post(URL, {"side": "json", "json": body, "go": "launch", "token": "b" * 32})
    assert launched.status_code == 303
    assert Job.objects.get().parameters["-case"] == "run 1"


def test_going_back_to_the_form_takes_the_json_along(client: Client, version: Version) -> None:
    body = {"command": "all", "parameters": {"-case": "from json", "few": "g2"}, "machine": "g1", "walltime_s": 600}
    answer = client.post(URL, {"side": "json", "json": json.dumps(body), "go": "side:form"})
    text = answer.content.decode()
    assert "It is shown when" not in text
    assert 'value="from json"' in text
    assert 'value="00:10"' in text
    assert 'value="g1" checked' in text


@pytest.mark.parametrize("text", ['{"parameters": {"mesh": 1}}', '{"x": 1}', "{", '{"command": "no"}'])
def test_json_that_the_form_can_not_hold_stays_json(client: Client, version: Version, text: str) -> None:
    answer = client.post(URL, {"side": "json", "json": text, "go": "side:form"})
    assert answer.status_code == 422
    assert html.escape(text) in answer.content.decode()


def test_a_link_fills_the_form_and_is_checked(client: Client, version: Version) -> None:
    text = html.unescape(page(client, "?p.-case=linked&p.ratio=7&p.mesh=1&p.fixed=2&machine=g1&command=nope"))
    assert 'value="linked"' in text
    assert "Must be at most 1." in text
    assert "App version 1.4 does not have the parameter 'mesh'. It was left out." in text
    assert "'Fixed' is set by the author" in text
    assert "has no command 'nope'" in text
    assert 'value="g1" checked' in text
    assert "Must be filled in." not in text.split('id="panel"')[0]


def test_an_earlier_job_fills_the_form(client: Client, version: Version, owner: User) -> None:
    job = make_job(
        owner, version=version, command="all", parameters={"-case": "again", "mesh": 3}, label="old", walltime_s=60
    )
    text = html.unescape(page(client, f"?from={job.number}"))
    assert 'value="again"' in text
    assert 'value="old"' in text
    assert 'value="00:01"' in text
    assert "App version 1.4 no longer has the parameter 'mesh'. It was left out." in text


def test_a_strangers_job_fills_nothing(client: Client, version: Version) -> None:
    job = make_job(make_person(), version=version)
    page(client, f"?from={job.number}", status=404)
    page(client, "?from=abc", status=404)


def test_an_upload_of_another_person_is_not_taken_over(client: Client, version: Version, owner: User) -> None:
    team = make_team(owner, teammate := make_person())
    parameters = {"-key": {"upload": "6f9619ff-8b86-d011-b42d-00cf4fc964ff"}}
    job = make_job(teammate, version=version, command="all", parameters=parameters, team=team)
    text = html.unescape(page(client, f"?from={job.number}"))
    assert f"The file that job {job.number} had for 'Key file' can't be used again." in text


def test_a_file_is_taken_along_without_a_script(client: Client, version: Version, owner: User) -> None:
    data = posted(**{"p:-case": "x", "machine": "n1", "vault": "NONE", "token": "c" * 32, "go": "launch"}).dict()
    answer = client.post(URL, {**data, "u:-key": SimpleUploadedFile("k.json", b"{}")})
    assert answer.status_code == 303, answer.content.decode()[:3000]
    upload = Upload.objects.get()
    assert (upload.owner, upload.name, upload.size) == (owner, "k.json", 2)
    assert list(Job.objects.get().uploads.all()) == [upload]


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [("k.txt", 2, "must be a file that ends in .json"), ("k.json", 4000, "must be at most 2048 bytes")],
)
def test_a_file_that_does_not_fit_is_said_at_its_field(
    client: Client, version: Version, name: str, size: int, words: str
) -> None:
    data = posted(**{"p:-case": "x", "machine": "n1", "go": "launch"}).dict()
    answer = client.post(URL, {**data, "u:-key": SimpleUploadedFile(name, b"x" * size)})
    assert answer.status_code == 422
    assert words[1:] in html.unescape(answer.content.decode())
    assert not Upload.objects.exists()


def test_what_can_not_be_launched_says_why(client: Client, version: Version) -> None:
    Version.objects.update(image="", image_pinned="")
    text = page(client)
    assert "This version has no container image yet." in text
    assert 'id="launch"' not in text
    assert send(client).status_code == 409
    assert Job.objects.count() == 0


def test_a_draft_is_for_curators(client: Client, version: Version, owner: User) -> None:
    make_version(version.app, definition=GALLERY, label="2.0", state=Version.State.DRAFT)
    page(client, "?version=2.0", status=404)
    User.objects.filter(pk=owner.pk).update(is_curator=True)
    assert "This version is a draft." in page(client, "?version=2.0")


def test_a_hidden_app_is_not_there(client: Client, version: Version) -> None:
    App.objects.update(visibility=App.Visibility.TEAMS)
    page(client, status=404)
    assert client.post(URL + "preview/", {}).status_code == 404
    assert send(client).status_code == 404


def test_no_machine_type_that_fits_is_said(client: Client, version: Version) -> None:
    MachineType.objects.exclude(name="x9").delete()
    assert "there is none here" in page(client)
    assert send(client, machine="").status_code == 422


def test_the_limit_of_waiting_jobs_is_said_and_nothing_is_lost(client: Client, version: Version, settings: Any) -> None:
    settings.JOBS_QUEUED_MAX = 0
    answer = send(client, label="kept")
    assert answer.status_code == 409
    assert "jobs waiting, which is the limit" in answer.content.decode()
    assert 'value="kept"' in answer.content.decode()


def test_vaults_are_mine_and_my_teams(client: Client, version: Version, owner: User) -> None:
    mine = vaults.default_vault(owner)
    ours = make_vault(make_team(owner))
    theirs = make_vault(make_person())
    text = page(client)
    assert f'value="{mine.name}" selected' in text
    assert ours.name in text
    assert theirs.name not in text


def test_the_preview_of_a_definition_is_for_curators(client: Client, owner: User) -> None:
    url = reverse("jobs:form-preview")
    assert client.post(url, {"definition": json.dumps(GALLERY)}).status_code == 403
    User.objects.filter(pk=owner.pk).update(is_curator=True)
    text = client.post(url, {"definition": json.dumps(GALLERY)}).content.decode()
    assert "Case name" in text
    assert "<form" not in text
    assert 'type="submit"' not in text
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert "Line 1" in client.post(url, {"definition": "{,"}).content.decode()


def test_two_hundred_parameters_cost_no_more_queries(
    client: Client, db: None, django_assert_max_num_queries: Any
) -> None:
    make_version(make_app(slug="gallery"), definition=large(229), label="1")
    make_machine("n1")
    page(client)
    with django_assert_max_num_queries(14):
        text = page(client)
    assert text.count("data-field=") > 229
