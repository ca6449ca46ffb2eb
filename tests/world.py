"""The people and things that the tests of every address share: an owner's, and what is shared with the owner's team."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.test import Client

from apps_catalog.models import App, Version
from jobs import vault_roots
from jobs.models import Attempt, Endpoint, Host, Job, JobTemplate, Shell, Upload, UsageSeries, Vault
from jobs.models.endpoints import random_label
from jobs.services import fan_out
from jobs.states import JobState
from portal.people.models import ApiToken, Secret, User
from tests.factories import (
    DEFINITION,
    make_app,
    make_host,
    make_job,
    make_machine,
    make_person,
    make_result,
    make_secret,
    make_team,
    make_template,
    make_upload,
    make_vault,
    make_version,
)
from tests.jobs.bundles import make_bundle

PEOPLE = ("nobody", "stranger", "teammate", "curator", "operator", "owner")  # those without rights first
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
JARVICE, BYTENITE = "/api/jarvice/", "/v1/"


@dataclass
class World:
    """The owner's things, and what is shared with the owner's team."""

    people: dict[str, User]
    app: App  # for the team only
    version: Version
    draft: Version
    job: Job  # the owner's alone
    shared: Job  # with the team
    running: Job  # the owner's alone
    vault: Vault
    team_vault: Vault
    upload: Upload
    token: ApiToken
    host: Host
    staged: Job  # the owner's draft of a job in stages
    template: JobTemplate  # the owner's alone
    team_template: JobTemplate
    secret: Secret  # the owner's alone
    team_secret: Secret
    bundle: Version  # of an app for the team only
    bundle_draft: Version
    shell: Shell  # beside `running`
    clients: dict[str, Client] = field(default_factory=dict)
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)  # for the JARVICE door
    access: dict[str, str] = field(default_factory=dict)  # API keys, for the ByteNite door

    def headers(self, person: str, address: str) -> dict[str, str]:
        """What says who calls, where a header is what counts."""
        if not address.startswith(BYTENITE) or person not in self.access:
            return {}
        return {"Authorization": self.access[person]}

    def signed(self, person: str, address: str) -> str:
        """The address with the person's key, where a key in the address is what counts."""
        if not address.startswith(JARVICE) or person not in self.keys:
            return address
        who = urlencode({"username": self.people[person].username, "apikey": self.keys[person]})
        return f"{address}{'&' if '?' in address else '?'}{who}"

    def client(self, person: str) -> Client:
        """Signed in as at the beginning, even where a test has signed out."""
        client = self.clients[person]
        client.cookies.clear()
        for key, value in self.cookies[person].items():
            client.cookies[key] = value
        return client

    def refill(self) -> None:
        """Files are not rolled back as rows are: put back what a test may have taken."""
        for vault in (self.vault, self.team_vault):
            (vault_roots.root_of(vault) / "x.csv").write_text("1,2\n")


def build() -> World:
    people = {
        "owner": make_person("matrix-owner"),
        "teammate": make_person("matrix-teammate"),
        "stranger": make_person("matrix-stranger"),
        "curator": make_person("matrix-curator", is_curator=True),
        "operator": make_person("matrix-operator", is_operator=True),
    }
    owner = people["owner"]
    crew = make_team(owner, people["teammate"], name="Matrix")
    make_machine("n1")
    host = make_host("matrix-host")
    app = make_app(slug="matrix", visibility="teams")
    app.teams.add(crew)
    bundles = make_app(slug="matrix-bundle", visibility="teams", kind=App.Kind.BYTENITE)
    bundles.teams.add(crew)
    shell = {"path": "/bin/sh", "name": "Shell", "description": "", "webshell": True, "parameters": {}}
    definition = {**DEFINITION, "commands": {**DEFINITION["commands"], "shell": shell}}
    version = make_version(app, label="1.0", definition=definition)
    draft = make_version(app, label="2.0", state="draft")
    job = make_job(owner, version=version, state=JobState.SUCCEEDED)
    shared = make_job(owner, version=version, state=JobState.SUCCEEDED, team=crew)
    for one in (job, shared):
        make_result(one)
        make_result(one, path="plot.png", data=PIXEL)
    token, _ = ApiToken.issue(owner, name="theirs", scopes=["read"])
    connect = {"kind": "terminal"}
    running = make_job(
        owner, version=version, state=JobState.RUNNING, command="shell", parameters={}, plan={"connect": connect}
    )
    attempt = Attempt.objects.get(task__job=running)
    for serving in (Attempt.objects.get(task__job=shared), attempt):  # what they serve: a web app
        number = serving.task.job_id
        Endpoint.objects.create(job_id=number, attempt=serving, kind="web", label=random_label(number), port=8888)
    UsageSeries.objects.create(attempt=attempt, points=[[0.0, 1.0, 1024, 1]])
    bundle = make_bundle(app=bundles, name="matrix-bundle")
    world = World(
        people=people,
        app=app,
        version=version,
        draft=draft,
        job=job,
        shared=shared,
        running=running,
        vault=make_vault(owner, name="matrix"),
        team_vault=make_vault(crew, name="matrix-crew"),
        upload=make_upload(owner),
        token=token,
        host=host,
        staged=fan_out.draft(owner=owner, asked=fan_out.FanOut(app=bundle)),
        template=make_template(owner, app="matrix-bundle"),
        team_template=make_template(owner, app="matrix-bundle", team=crew),
        secret=make_secret(owner),
        team_secret=make_secret(crew),
        bundle=bundle,
        bundle_draft=make_bundle(app=bundles, name="matrix-bundle", label="2.0", minor=2, state="draft"),
        shell=Shell.objects.create(job=running, attempt=attempt, opened_by=owner),
    )
    let_in(world)
    return world


def let_in(world: World) -> None:
    """Everybody signed in, and with the keys of the doors where no cookie counts."""
    people = world.people
    for name in PEOPLE:
        world.clients[name] = Client(raise_request_exception=False)
        if name in people:
            world.clients[name].force_login(people[name], backend="django.contrib.auth.backends.ModelBackend")
        if name in people:
            scopes = ["jarvice", *(["curate"] if name == "curator" else ["operate"] if name == "operator" else [])]
            scopes_there = ["read", "launch", *scopes[1:]]
            _, world.access[name] = ApiToken.issue(people[name], name="bytenite", scopes=scopes_there)
            _, world.keys[name] = ApiToken.issue(people[name], name="old clients", scopes=scopes)
        world.cookies[name] = {key: morsel.value for key, morsel in world.clients[name].cookies.items()}
