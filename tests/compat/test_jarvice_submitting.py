"""Submissions of JARVICE clients become jobs like those of any other door, with the same judgement."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps_catalog.models import App, Version
from jobs import services, vaults
from jobs.jarvice.submitting import plain_script
from jobs.models import Job, Upload
from portal.errors import Conflict
from portal.people.models import User
from tests.compat.conftest import client_of
from tests.compat.hostile import VALUES
from tests.compat.jarvice_client import JarviceClient
from tests.factories import DEFINITION, make_app, make_machine, make_vault, make_version

SCRIPT = "#!/usr/bin/env python3\nprint('é')\n"
COMMAND = DEFINITION["commands"]["throw"]
FILES = {
    "-in": {"name": "In", "description": "", "type": "FILE", "required": False, "positional": False},
    "-fast": {"name": "Fast", "description": "", "type": "BOOL", "required": False, "positional": False},
    "key": {"name": "Key", "description": "", "type": "UPLOAD", "required": False, "target": "key.json", "size": 16},
}


@pytest.fixture
def version(door: None, folders: Path) -> Version:
    """An app with a file, a flag and an upload beside its numbers, on a machine type that an older site called n3."""
    make_machine("n1", aliases=["n3"])
    command = {**COMMAND, "parameters": {**COMMAND["parameters"], **FILES}}
    definition = {**DEFINITION, "id": "nimbix-throw_darts", "commands": {"throw": command}}
    return make_version(make_app(slug="pi-by-chance", name="Pi by chance"), definition=definition)


def submission(**over: Any) -> dict[str, Any]:
    """As the task builder of a JARVICE shows it, with keys that mean nothing here."""
    whole = {
        "app": "pi-by-chance",
        "staging": False,
        "checkedout": False,
        "application": {"command": "throw", "geometry": "1904x841", "parameters": {"darts": 100}},
        "machine": {"type": "n1", "nodes": 1},
        "vault": {"name": "ephemeral", "readonly": False, "force": False},
        "licenses": "x:1",
        "queue": "",
        "nobody_knows": {"a": [1]},
    }
    return {**whole, **over}


def application(**over: Any) -> dict[str, Any]:
    return {"application": {"command": "throw", "parameters": {"darts": 100}, **over}}


def made(client: JarviceClient, **over: Any) -> Job:
    answer = client.shaped("json").json("submit", **submission(**over))
    job = Job.objects.get(number=answer["number"])
    assert answer == {"name": job.name, "number": job.number}
    return job


def test_all_of_a_submission_arrives(theirs: JarviceClient, version: Version, owner: User) -> None:
    vault = make_vault(owner, name="home")
    vaults.save_file(vault, "in.csv", [b"1"])
    words = {
        "darts": "200",
        "-seed": "7",
        "-fast": "true",
        "-in": "/data/in.csv",
        "key": base64.b64encode(b"{}").decode(),
    }
    job = made(
        theirs,
        **application(parameters=words, walltime="01:30:00"),
        machine={"type": "n3", "nodes": 1},
        vault={"name": "home", "readonly": True, "force": True},
        job_label="mine",
        job_project="ours",
        job_priority="high",
    )
    assert (job.owner, job.version, job.command) == (owner, version, "throw")
    assert (job.machine_type.name, job.vault, job.vault_readonly) == ("n1", vault, True)
    assert (job.label, job.project, job.priority, job.walltime_s) == ("mine", "ours", 50, 5400)
    assert job.plan["argv"] == ["/usr/bin/python3", "-seed", "7", "-in", "/data/in.csv", "-fast", "200"]
    assert Upload.objects.get().size == 2
    assert job.events.get(kind="submitted").message == "Submitted by owner (JARVICE API)."


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("00:10:00", 600),
        ("90", 90),
        (90, 90),
        ("100:00:00", 360_000),
        ("", 86_400),
        (None, 86_400),
        ("00:00:00", 86_400),
    ],
)
def test_a_wall_time_comes_back_as_it_was_sent(
    theirs: JarviceClient, version: Version, given: Any, seconds: int
) -> None:
    job = made(theirs, **application(walltime=given))
    assert job.walltime_s == seconds
    shown = theirs.json("status", number=job.number)[str(job.number)]["job_walltime"]
    minutes, second = divmod(seconds, 60)
    assert shown == f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"


@pytest.mark.parametrize(
    ("name", "priority"), [("normal", 0), ("high", 50), ("highest", 100), ("HIGH", 50), (None, 0), ("", 0)]
)
def test_priorities(theirs: JarviceClient, version: Version, name: str | None, priority: int) -> None:
    assert made(theirs, job_priority=name).priority == priority


@pytest.mark.parametrize(
    "name",
    [
        "pi-by-chance",
        "Pi by chance",
        "PI BY CHANCE",
        "Pi-By-Chance",
        "nimbix-throw_darts",
        "nimbix-pi_by_chance",
        "jarvice-pibychance",
        " pi-by-chance ",
    ],
)
def test_an_app_is_found_by_slug_name_or_the_id_of_an_older_site(
    theirs: JarviceClient, version: Version, name: str
) -> None:
    assert made(theirs, app=name).version == version
    assert theirs.json("apps", name=name).keys() == {"pi-by-chance"}


def test_a_slug_goes_before_a_name_and_what_is_ambiguous_is_nothing(theirs: JarviceClient, version: Version) -> None:
    named_so = make_version(make_app(slug="other", name="pi-by-chance"))
    assert made(theirs, app="pi-by-chance").version == version
    assert made(theirs, app="other").version == named_so
    make_version(make_app(slug="third", name="Pi by chance"))
    assert "Application not found" in theirs.error("submit", 404, **submission(app="Pi by chance"))
    for name in ("nothing", "-", "x" * 500, "pi-by-chanc", "by-chance"):
        assert "Application not found" in theirs.error("submit", 404, **submission(app=name))


def test_a_command_is_found_by_key_or_name_or_because_it_is_the_only_one(
    theirs: JarviceClient, version: Version
) -> None:
    for command in ("throw", "Throw", "", None):
        assert made(theirs, **application(command=command)).command == "throw"
    assert "application.command: 'fly' is not a command" in theirs.error(
        "submit", 400, **submission(**application(command="fly"))
    )


def test_what_is_left_out_is_as_in_every_other_door(theirs: JarviceClient, version: Version, owner: User) -> None:
    answer = theirs.shaped("json").json("submit", app="pi-by-chance")
    job = Job.objects.get(number=answer["number"])
    assert (job.machine_type.name, job.nodes, job.vault_readonly, job.label) == ("n1", 1, False, "")
    assert job.vault == vaults.default_vault(owner)
    assert made(theirs).vault is None  # ephemeral
    assert made(theirs, machine=None, queue="n3").machine_type.name == "n1"


def test_who_has_a_vault_called_ephemeral_gets_it(theirs: JarviceClient, version: Version, owner: User) -> None:
    vault = make_vault(owner, name="ephemeral")
    assert made(theirs).vault == vault


def test_an_identity_goes_the_way_of_every_submission(theirs: JarviceClient, version: Version) -> None:
    """What it is worth is judged where every door's is; here it only has to arrive and not to disturb."""
    for identity in ({"username": "nimbix", "group": "nimbix"}, {}, None):
        assert made(theirs, identity=identity).version == version


BAD: list[tuple[str, dict[str, Any], int, str]] = [
    ("no app", {"app": ""}, 400, "Required parameter missing: app."),
    ("out of range", application(parameters={"darts": 7}), 400, "application.parameters.darts: must be at least 10"),
    ("off the step", application(parameters={"darts": "15"}), 400, "the nearest allowed values are 10 and 20"),
    (
        "no number",
        application(parameters={"darts": "many"}),
        400,
        "application.parameters.darts: must be a whole number",
    ),
    ("unknown key", application(parameters={"dart": 10}), 400, "Did you mean darts?"),
    ("no object", application(parameters=[1]), 400, "must be an object"),
    ("missing file", application(parameters={"-in": "/data/x"}), 400, "application.parameters.-in"),
    ("no base64", application(parameters={"key": "no!"}), 400, "must be the file's content as base64 text"),
    ("too large", application(parameters={"key": "A" * 40}), 400, "must be at most 16 bytes"),
    ("machine", {"machine": {"type": "n7"}}, 400, "machine.type: There is no machine type 'n7'"),
    ("machine's type", {"machine": "n1"}, 400, "'machine' must be a JSON object."),
    ("nodes", {"machine": {"type": "n1", "nodes": "two"}}, 400, "'machine.nodes' must be a whole number"),
    ("no nodes", {"machine": {"type": "n1", "nodes": 0}}, 400, "'machine.nodes' must be a whole number"),
    ("vault", {"vault": {"name": "others"}}, 400, "vault.name: There is no vault 'others'"),
    ("readonly", {"vault": {"readonly": "perhaps"}}, 400, "'vault.readonly' must be true or false."),
    ("walltime", application(walltime="soon"), 400, "'application.walltime' must be HH:MM:SS or seconds"),
    ("long walltime", application(walltime="9000:00:00"), 400, "at most"),
    ("priority", {"job_priority": "urgent"}, 400, "'job_priority' must be one of normal, high, highest"),
    ("label", {"job_label": "x" * 300}, 400, "job_label: must have at most 200 characters"),
    ("project", {"job_project": "x" * 300}, 400, "job_project: must have at most 200 characters"),
    ("label's type", {"job_label": ["x"]}, 400, "'job_label' must be a text."),
    ("identity", {"identity": "root"}, 400, "'identity' must be a JSON object."),
    ("root", {"identity": {"username": "x", "uid": 0, "gid": 0}}, 400, "identity.uid"),
    ("hpc", {"hpc": {"hpc_job_script": "x"}}, 400, "Send the script to /jarvice/batch"),
]


@pytest.mark.parametrize(("over", "status", "words"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_faults_are_one_readable_text_and_nothing_is_written(
    theirs: JarviceClient, version: Version, over: dict[str, Any], status: int, words: str
) -> None:
    assert words in theirs.shaped("json").error("submit", status, **submission(**over))
    assert not Job.objects.exists()
    assert not Upload.objects.exists()


def test_several_faults_are_told_at_once(theirs: JarviceClient, version: Version) -> None:
    bad = application(parameters={"darts": 7, "-seed": 1000})
    said = theirs.shaped("json").error("submit", 400, **submission(**bad))
    assert said.count("application.parameters.") == 2
    assert "; " in said


def test_a_retired_version_and_a_full_queue_are_refused(theirs: JarviceClient, version: Version, settings: Any) -> None:
    settings.JOBS_QUEUED_MAX = 1
    made(theirs)
    assert "which is the limit" in theirs.error("submit", 409, **submission())
    Version.objects.update(image="")
    assert "no container image yet" in theirs.error("submit", 409, **submission())


# batch


def batch(client: JarviceClient, jobscript: str = SCRIPT, image: str = "library/python:3.12", **over: Any) -> Job:
    body = {"machine": {"type": "n1"}, "vault": {"name": "ephemeral"}, **over}
    answer = client.shaped("json").json("batch", container={"image": image, "jobscript": jobscript}, **body)
    return Job.objects.get(number=answer["number"])


def uploaded(job: Job) -> str:
    from jobs.uploads import open_upload

    with open_upload(job.uploads.get()) as file:
        return file.read().decode()


@pytest.mark.parametrize("script", [SCRIPT, base64.b64encode(SCRIPT.encode()).decode()], ids=["plain", "base64"])
def test_a_script_runs_in_the_image_it_names(theirs: JarviceClient, version: Version, script: str) -> None:
    job = batch(theirs, script, job_label="mine")
    assert uploaded(job) == SCRIPT
    assert job.plan["image"] == "library/python:3.12"
    assert [file["path"] for file in job.plan["files"] if file["upload"]] == ["/opt/jobscript"]
    found = theirs.json("status", number=job.number)[str(job.number)]
    assert (found["job_application"], found["job_command"]) == ("jarvice-batch", "Batch")
    assert "-jarvice-batch-owner_s1" in found["job_name"]


@pytest.mark.parametrize("text", ["date", "true", "hostname", "ls -l", "sleep 30 && hostname", "echo \u00e9", "dGVz"])
def test_what_is_no_base64_of_a_text_is_the_script_itself(text: str) -> None:
    expected = b"tes" if text == "dGVz" else text.encode()
    assert plain_script(text) == expected


def test_one_image_is_one_version_that_is_in_no_list(
    theirs: JarviceClient, version: Version, owner: User, curator: User
) -> None:
    jobs = [batch(theirs), batch(theirs, "date"), batch(theirs, image="library/ubuntu:jammy")]
    assert jobs[0].version == jobs[1].version != jobs[2].version
    assert theirs.json("apps").keys() == {"pi-by-chance"}
    assert not App.objects.visible_to(owner).filter(slug="jarvice-batch").exists()
    assert "Application not found" in theirs.error("submit", 404, app="jarvice-batch")
    again = services.rerun(job=jobs[0], actor=owner)
    assert (again.version, again.parameters) == (jobs[0].version, jobs[0].parameters)


def test_an_image_that_was_pinned_stays_pinned_and_a_missing_one_is_looked_for_again(
    theirs: JarviceClient, version: Version
) -> None:
    first = batch(theirs).version
    pinned = "docker.io/library/python@sha256:" + "1" * 64
    Version.objects.filter(pk=first.pk).update(image_pinned=pinned, image_state=Version.ImageState.FOUND)
    assert batch(theirs).plan["image"] == pinned
    Version.objects.filter(pk=first.pk).update(image_pinned="", image_state=Version.ImageState.MISSING)
    assert batch(theirs).version.image_state == Version.ImageState.UNKNOWN


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ({}, "Required parameter missing: container.image and container.jobscript."),
        ({"image": "python", "jobscript": " "}, "Required parameter missing"),
        ({"image": "quay.io/x/y", "jobscript": "date"}, "quay.io, which is not allowed here"),
        ({"image": "Not An Image", "jobscript": "date"}, "container.image"),
        ({"image": "x" * 600, "jobscript": "date"}, "container.image"),
        ({"image": "python", "jobscript": "date", "pullsecret": "s3cret"}, "'pullsecret' is not served"),
        ({"image": ["python"], "jobscript": "date"}, "'container.image' must be a text."),
        ({"image": "python", "jobscript": "x" * (2**20 + 1)}, "longer than 1 MiB"),
        ("python", "'container' must be a JSON object."),
    ],
)
def test_a_container_that_can_not_be_run_is_a_400(
    theirs: JarviceClient, version: Version, container: Any, words: str
) -> None:
    said = theirs.shaped("json").error("batch", 400, container=container, machine={"type": "n1"})
    assert words in said
    assert "s3cret" not in said
    assert not Job.objects.exists()


def test_an_app_of_that_name_is_never_mistaken_for_the_one_of_scripts(
    theirs: JarviceClient, version: Version, stranger: User
) -> None:
    other = make_version(make_app(slug="jarvice-batch", visibility="teams", author="Somebody"))
    said = theirs.shaped("json").error("batch", 409, container={"image": "python", "jobscript": "date"})
    assert "Rename it" in said
    assert "Application not found" in client_of(stranger).error("submit", 404, app="jarvice-batch")
    with pytest.raises(Conflict):
        services.batches.batch_version("python")
    assert Version.objects.filter(app=other.app).count() == 1


def test_a_submission_is_read_alike_whatever_the_key_order(theirs: JarviceClient, version: Version) -> None:
    body = {**submission(), "user": {"username": "owner", "apikey": theirs.apikey}}
    texts = [
        json.dumps(body),
        json.dumps(body, indent=4, sort_keys=True),
        "\ufeff" + json.dumps(body, ensure_ascii=False),
    ]
    answers = [theirs.ask("POST", "/api/jarvice/submit", text.encode()) for text in texts]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len(set(Job.objects.values_list("plan_digest", flat=True))) == 1


def test_pages_show_a_job_of_a_script(theirs: JarviceClient, version: Version, owner: User, curator: User) -> None:
    job = batch(theirs)
    for person, addresses in (
        (owner, ("/jobs/", f"/jobs/{job.number}/", "/")),
        (curator, ("/curate/", f"/curate/apps/jarvice-batch/{job.version.label}/", "/")),
    ):
        client = Client()
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        for address in addresses:
            assert client.get(address).status_code == 200, address
        assert b"JARVICE batch" not in client.get("/").content


@pytest.mark.slow
@pytest.mark.parametrize("key", ["application", "machine", "vault", "identity", "job_label", "job_project", "hpc"])
def test_any_value_under_any_key_is_refused_in_words_or_taken(
    theirs: JarviceClient, version: Version, key: str
) -> None:
    who = json.dumps({"user": {"username": theirs.username, "apikey": theirs.apikey}, "app": version.app.slug})
    for value in VALUES:
        for sent in (
            value,
            f'{{"parameters": {value}}}',
            f'{{"parameters": {{"rows": {value}}}, "type": {value}, "name": {value}}}',
        ):
            answer = JarviceClient().ask("POST", "/api/jarvice/submit", f'{who[:-1]}, "{key}": {sent}}}'.encode())
            assert answer.status_code < 500, (sent, answer.text)
            assert answer.status_code == 200 or answer.json()["error"], (sent, answer.text)
