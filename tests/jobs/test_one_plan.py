"""One submission, whatever door it comes through, is one plan: a definition with every key, by the form and by REST."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps_catalog.models import Version
from apps_catalog.services import spec_of
from jobs import services, vaults
from jobs.forms.inputs import inputs_of
from jobs.forms.widgets import widget_of
from jobs.models import Job, Upload, Vault
from portal.people import account_variables
from portal.people.models import ApiToken, User
from tests.factories import make_app, make_machine, make_team, make_vault, make_version
from tests.jobs import every_key

pytestmark = pytest.mark.django_db
LABEL = "wing 'one'"


@pytest.fixture
def version(owner: User) -> Version:
    """Everything that the definition needs to be launched by the owner: machine, vault with a file, account variable."""
    make_machine("n1", cores=2, ram_mib=4096, nodes_max=2, aliases=["n3"])
    account_variables.set_variable(name="LICENSE_SERVER", value="27000@licences", team=make_team(owner))
    vault = make_vault(owner, name="cases")
    vaults.make_folder(vault, "cases")
    vaults.save_file(vault, every_key.VAULT_FILE, [b"a,b\n"])
    return make_version(make_app(slug="every-key", created_by=owner), definition=every_key.definition(), label="1.0")


@pytest.fixture
def vault(version: Version) -> Vault:
    return Vault.objects.get(name="cases")


def by_form(owner: User, version: Version) -> Job:
    """The form as a browser posts it, the file with it."""
    client = Client()
    client.force_login(owner)
    values = every_key.values()
    fields: dict[str, Any] = {}
    for asked in inputs_of(spec_of(version).commands["every"]):
        if asked.key in values and asked.key != "mesh":
            widget = widget_of(asked)
            text = widget.shown(asked, values[asked.key])
            if widget.name != "switch" or text:
                fields[f"p:{asked.key}"] = text
    fields |= {"command": "every", "machine": "n1", "nodes": "2", "vault": "cases", "label": LABEL, "go": "launch"}
    fields["u:mesh"] = SimpleUploadedFile("mesh of mine.yaml", every_key.UPLOAD)
    answer = client.post("/apps/every-key/launch/", fields)
    assert answer.status_code in (302, 303), answer.content.decode()[:4000]
    return Job.objects.latest("number")


def by_rest(owner: User, version: Version, **over: Any) -> Job:
    _, token = ApiToken.issue(owner, name="script", scopes=["read", "launch"])
    body = {
        "app": "every-key",
        "command": "every",
        "parameters": every_key.values(),
        "machine": "n3",
        "nodes": 2,
        "vault": "cases",
        "label": LABEL,
        **over,
    }
    headers = {"authorization": f"Bearer {token}"}
    answer = Client().post("/api/v1/jobs", json.dumps(body), content_type="application/json", headers=headers)
    assert answer.status_code == 201, answer.content
    return Job.objects.get(pk=answer.json()["number"])


def test_the_form_and_rest_make_jobs_of_one_plan(owner: User, version: Version) -> None:
    form, rest = by_form(owner, version), by_rest(owner, version)
    assert form.plan == rest.plan
    assert form.plan_digest == rest.plan_digest
    assert services.rerun(job=rest, actor=owner).plan_digest == rest.plan_digest
    assert Upload.objects.count() == 1  # the same bytes of the same person are one file


def test_a_list_of_jobs_that_differ_in_one_thing_have_plans_of_their_own(owner: User, version: Version) -> None:
    digests = {by_rest(owner, version).plan_digest}
    for over in ({"nodes": 1}, {"vault_readonly": True}, {"label": "x"}, {"walltime_s": 60}):
        digests.add(by_rest(owner, version, **over).plan_digest)
    digests.add(by_rest(owner, version, parameters={**every_key.values(), "-int": 8}).plan_digest)
    assert len(digests) == 6


def test_the_plan_says_all_that_the_keys_ask_for(owner: User, version: Version) -> None:
    plan = by_rest(owner, version).plan
    words = plan["argv"]
    assert words[:3] == ["/usr/bin/env", "python3", "-c"]
    assert words[4:-2] == [
        *("-const", "plain words", "-size", f"2/4/0/2/4/n1/FILE/cases/{LABEL}"),
        *("-job", "%JOBNAME%:%RANDOM64%:%UNKNOWN%", "-str", "two words 'quoted' $HOME", "-int", "7", "-range", "8"),
        *("-float", "2.25", "-bool", "-level", "3", "-choice", "h"),
    ]
    assert words[-2:] == ["two", f"/data/{every_key.VAULT_FILE}"]
    assert [words[index] for index in plan["authored"]] == ["%JOBNAME%:%RANDOM64%:%UNKNOWN%"]
    assert plan["expanded"] == []
    assert [(v["name"], v["value"], v["account"]) for v in plan["variables"]] == [
        ("COLOUR", "sea green", False),
        ("NOTE", "a\nb", False),
        ("LICENSE_SERVER", "", True),
    ]
    assert (plan["username"], plan["group"], plan["workdir"], plan["nodes"]) == ("sim", "crew", "/home/sim", 2)
    assert (plan["limits"]["walltime_s"], plan["verbose"]) == (7200, True)
    files = [file["path"] for file in plan["files"]]
    assert "/opt/case/mesh.yaml" in files
    assert {f"/etc/JARVICE/{name}" for name in ("jobenv.sh", "jobinfo.sh", "nodes", "cores", "random128.txt")} <= {
        *files
    }
    assert "27000@licences" not in json.dumps(plan)


def test_other_commands_have_their_own(owner: User, version: Version) -> None:
    plans = {}
    for command in ("script", "parallel", "desk"):
        plans[command] = by_rest(owner, version, command=command, parameters={}, vault="NONE", nodes=1).plan
    (script,) = [file for file in plans["script"]["files"] if file["path"] == "/opt/scripts/run.sh"]
    assert (script["text"], script["mode"]) == (every_key.SCRIPT, 0o555)
    assert plans["parallel"]["argv"] == ["mpirun", "--hostfile", "/etc/JARVICE/nodes", "-N", "2", "/usr/bin/solver"]
    assert plans["desk"]["connect"] == {
        "kind": "web", "port": 8443, "path": "/?token=%RANDOM64%", "source": "url",
    }  # fmt: skip
