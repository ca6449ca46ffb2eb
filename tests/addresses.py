"""Every address of the portal, found by the URL resolver, with one example of each thing an address can name.

Who may do what there is the table EXPECTED. An address that is in none of its rows fails test_permissions_matrix.py:
whoever adds one says here who may use it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.test import Client
from django.urls import reverse

from apps_catalog.models import App, ImageImport, Version
from jobs import vault_roots
from jobs.models import Host, Job, Upload, UsageSeries, Vault
from jobs.states import JobState
from portal.people.models import ApiToken, User
from tests.factories import (
    make_app,
    make_host,
    make_job,
    make_machine,
    make_person,
    make_result,
    make_team,
    make_upload,
    make_vault,
    make_version,
)

PEOPLE = ("nobody", "stranger", "teammate", "curator", "operator", "owner")  # those without rights first
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
EVERYBODY = frozenset(PEOPLE)
SIGNED_IN = EVERYBODY - {"nobody"}
OWNER = frozenset({"owner"})
RUNNER = frozenset({"owner", "operator"})
CREW = frozenset({"owner", "teammate", "curator"})  # a team's app: its members, and curators see all
MATES = frozenset({"owner", "teammate"})
WATCHERS = frozenset({"owner", "teammate", "operator"})
CURATORS = frozenset({"curator"})
OPERATORS = frozenset({"operator"})
TEAMMATE = frozenset({"teammate"})
NOBODY: frozenset[str] = frozenset()
JARVICE = "/api/jarvice/"
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


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
    clients: dict[str, Client] = field(default_factory=dict)
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)  # for the JARVICE door

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
    version = make_version(app, label="1.0")
    draft = make_version(app, label="2.0", state="draft")
    job = make_job(owner, version=version, state=JobState.SUCCEEDED)
    shared = make_job(owner, version=version, state=JobState.SUCCEEDED, team=crew)
    for one in (job, shared):
        make_result(one)
        make_result(one, path="plot.png", data=PIXEL)
    token, _ = ApiToken.issue(owner, name="theirs", scopes=["read"])
    running = make_job(owner, version=version, state=JobState.RUNNING)
    UsageSeries.objects.create(attempt=running.tasks.get().attempts.get(), points=[[0.0, 1.0, 1024, 1]])
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
    )
    for name in PEOPLE:
        world.clients[name] = Client(raise_request_exception=False)
        if name in people:
            world.clients[name].force_login(people[name], backend="django.contrib.auth.backends.ModelBackend")
        if name in people:
            scopes = ["jarvice", *(["curate"] if name == "curator" else ["operate"] if name == "operator" else [])]
            _, world.keys[name] = ApiToken.issue(people[name], name="old clients", scopes=scopes)
        world.cookies[name] = {key: morsel.value for key, morsel in world.clients[name].cookies.items()}
    return world


Arguments = Callable[[World], dict[str, Any]]


@dataclass(frozen=True)
class Rule:
    """Who is let in, by verb; HEAD goes with GET. `closed`: what signed-in others get."""

    verbs: dict[str, frozenset[str]]
    arguments: Arguments = lambda world: {}
    closed: int = 404
    looking: frozenset[str] = frozenset()  # those who see the thing, and get 403 for doing this to it
    query: str = ""
    sought: Callable[[World], dict[str, Any]] = lambda world: {}  # what a query names, in this world

    def let_in(self, verb: str) -> frozenset[str]:
        return self.verbs.get("GET" if verb == "HEAD" else verb, NOBODY)

    def address(self, world: World, name: str) -> str:
        sought = self.sought(world)
        return reverse(name, kwargs=self.arguments(world)) + (f"?{urlencode(sought)}" if sought else self.query)


def _app(world: World) -> dict[str, Any]:
    return {"slug": world.app.slug}


def _version(world: World) -> dict[str, Any]:
    return {"slug": world.app.slug, "label": world.version.label}


def _draft(world: World) -> dict[str, Any]:
    return {"slug": world.app.slug, "label": world.draft.label}


def _image_import(world: World) -> dict[str, Any]:
    return {"pk": ImageImport.objects.get_or_create(image="matrix:1", actor=world.people["curator"])[0].pk}


def _job(world: World) -> dict[str, Any]:
    return {"number": world.job.number}


def _shared(world: World) -> dict[str, Any]:
    return {"number": world.shared.number}


def _result(world: World) -> dict[str, Any]:
    return {"number": world.job.number, "path": "pi.txt"}


def _shared_result(world: World) -> dict[str, Any]:
    return {"number": world.shared.number, "path": "pi.txt"}


def _image(world: World) -> dict[str, Any]:
    return {"number": world.job.number, "path": "plot.png"}


def _shared_image(world: World) -> dict[str, Any]:
    return {"number": world.shared.number, "path": "plot.png"}


def _host(world: World) -> dict[str, Any]:
    return {"name": world.host.name}


def _vault(world: World) -> dict[str, Any]:
    return {"vault": world.vault.name}


def _team_vault(world: World) -> dict[str, Any]:
    return {"vault": world.team_vault.name}


def _api_vault(world: World) -> dict[str, Any]:
    return {"name": world.vault.name}


def _api_file(world: World) -> dict[str, Any]:
    return {"name": world.vault.name, "path": "x.csv"}


def _api_team_file(world: World) -> dict[str, Any]:
    return {"name": world.team_vault.name, "path": "x.csv"}


def _upload(world: World) -> dict[str, Any]:
    return {"pk": world.upload.pk}


def _token(world: World) -> dict[str, Any]:
    return {"pk": world.token.pk}


def _reset_key(world: World) -> dict[str, Any]:
    return {"uidb36": "1", "key": "set-password"}


def _running(world: World) -> dict[str, Any]:
    return {"number": world.running.number}


def _pi(world: World) -> dict[str, Any]:
    return {"name": world.app.slug}


def _listed_vault(world: World) -> dict[str, Any]:
    return {"vault": world.vault.name}


def _run(arguments: Arguments) -> Arguments:
    """The one task of a job without stages."""
    return lambda world: {**arguments(world), "stage": "run", "index": 0}


def get(who: frozenset[str], arguments: Arguments = lambda world: {}, **more: Any) -> list[Rule]:
    return [Rule({"GET": who}, arguments, **more)]


def post(who: frozenset[str], arguments: Arguments = lambda world: {}, **more: Any) -> list[Rule]:
    return [Rule({"POST": who}, arguments, **more)]


def both(who: frozenset[str], arguments: Arguments = lambda world: {}, **more: Any) -> list[Rule]:
    return [Rule({"GET": who, "POST": who}, arguments, **more)]


EXPECTED: dict[str, list[Rule]] = {
    "health-live": get(EVERYBODY),
    "health-ready": get(EVERYBODY),
    "account_login": both(EVERYBODY),
    "account_logout": both(EVERYBODY),
    "account_inactive": get(EVERYBODY),
    "account_signup": both(EVERYBODY),
    "account_reauthenticate": both(SIGNED_IN),
    "account_change_password": both(SIGNED_IN),
    "account_set_password": both(SIGNED_IN),
    "account_reset_password": both(EVERYBODY),
    "account_reset_password_done": get(EVERYBODY),
    "account_reset_password_from_key_done": get(EVERYBODY),
    "account_reset_password_from_key": both(EVERYBODY, _reset_key),
    "people:account": both(SIGNED_IN),
    "people:sign-out-elsewhere": post(SIGNED_IN),
    "people:tokens": get(SIGNED_IN),
    "people:create-token": post(SIGNED_IN),
    "people:revoke-token": post(OWNER, _token),
    # The API
    "api:docs": get(SIGNED_IN),
    "api:schema": get(SIGNED_IN),
    "api:unknown": [Rule({})],
    "api:tokens": both(SIGNED_IN),
    "api:token": [Rule({"DELETE": OWNER}, _token)],
    "api:apps": [Rule({"GET": SIGNED_IN}), Rule({"POST": CURATORS}, closed=403)],
    "api:app": get(CREW, _app),
    "api:app-eula": post(CREW, _app),
    "api:version": get(CREW, _version) + get(CURATORS, _draft),
    "api:version-schema": get(CREW, _version) + get(CURATORS, _draft),
    "api:validate": post(CREW, _app),
    "api:jobs": both(SIGNED_IN),
    "api:job": get(RUNNER, _job) + get(WATCHERS, _shared),
    "api:job-cancel": post(RUNNER, _job) + post(RUNNER, _shared, looking=TEAMMATE),
    "api:job-events": get(RUNNER, _job) + get(WATCHERS, _shared),
    "api:job-log": get(RUNNER, _job) + get(WATCHERS, _shared),
    "api:job-results": get(RUNNER, _job) + get(WATCHERS, _shared),
    "api:job-result": get(RUNNER, _result) + get(WATCHERS, _shared_result),
    "api:job-retry": post(RUNNER, _job) + post(RUNNER, _shared, looking=TEAMMATE),
    "api:job-tasks": get(RUNNER, _job) + get(WATCHERS, _shared),
    "api:job-task": get(RUNNER, _run(_job)) + get(WATCHERS, _run(_shared)),
    "api:task-log": get(RUNNER, _run(_job)) + get(WATCHERS, _run(_shared)),
    "api:task-results": get(RUNNER, _run(_job)) + get(WATCHERS, _run(_shared)),
    "api:task-result": get(RUNNER, _run(_result)) + get(WATCHERS, _run(_shared_result)),
    "api:machines": get(SIGNED_IN),
    "api:hosts": get(OPERATORS, closed=403),
    "api:queue": get(SIGNED_IN),
    "api:vaults": get(SIGNED_IN),
    "api:vault-folder": get(OWNER, _api_vault),
    "api:vault-files": [
        Rule(dict.fromkeys(("GET", "PUT", "POST", "DELETE"), OWNER), _api_file),
        Rule(dict.fromkeys(("GET", "PUT", "POST", "DELETE"), MATES), _api_team_file),
    ],
    "api:uploads": both(SIGNED_IN),
    "api:upload": get(OWNER, _upload),
    # The JARVICE door: a key of its own, never a cookie
    "jarvice:submit": both(SIGNED_IN),
    "jarvice:batch": both(SIGNED_IN),
    "jarvice:jobs": both(SIGNED_IN),
    "jarvice:teamjobs": both(SIGNED_IN),
    "jarvice:status": both(RUNNER, sought=_job) + both(WATCHERS, sought=_shared),
    "jarvice:info": both(RUNNER, sought=_job) + both(WATCHERS, sought=_shared),
    "jarvice:connect": [Rule({}, sought=_job)],  # nothing to connect to yet
    "jarvice:tail": both(RUNNER, sought=_running),
    "jarvice:output": both(RUNNER, sought=_job) + both(WATCHERS, sought=_shared),
    "jarvice:metrics": both(RUNNER, sought=_running),
    "jarvice:shutdown": both(RUNNER, sought=_running),
    "jarvice:terminate": both(RUNNER, sought=_running),
    "jarvice:signal": both(RUNNER, sought=_running),
    "jarvice:action": [Rule({}, sought=lambda world: {**_running(world), "action": "x"})],  # no app has actions here
    "jarvice:apps": both(SIGNED_IN),
    "jarvice:appdef": both(CREW, sought=_pi),
    "jarvice:machines": both(SIGNED_IN),
    "jarvice:queues": both(SIGNED_IN),
    "jarvice:vault": both(OWNER, sought=_listed_vault),
    "jarvice:validate": post(EVERYBODY),
    "jarvice:live": both(EVERYBODY),
    "jarvice:ready": both(EVERYBODY),
    # The catalog
    "apps_catalog:catalog": get(SIGNED_IN),
    "apps_catalog:app": get(CREW, _app),
    "apps_catalog:eula": both(CREW, _app),
    "apps_catalog:icon": get(CREW, _app),
    "apps_catalog:curate": get(CURATORS, closed=403),
    "apps_catalog:curate-import": both(CURATORS, closed=403),
    "apps_catalog:curate-check": post(CURATORS, closed=403),
    "apps_catalog:curate-version": get(CURATORS, _draft, closed=403),
    "apps_catalog:curate-from-image": both(CURATORS, closed=403),
    "apps_catalog:image-import": get(CURATORS, _image_import, closed=403),
    "apps_catalog:curate-overlay": both(CURATORS, _draft, closed=403),
    "apps_catalog:curate-settings": post(CURATORS, _draft, closed=403),
    "apps_catalog:curate-image": both(CURATORS, _draft, closed=403),
    "apps_catalog:curate-publish": post(CURATORS, _draft, closed=403),
    "apps_catalog:curate-retire": post(CURATORS, _version, closed=403),
    "apps_catalog:curate-make-default": post(CURATORS, _version, closed=403),
    "apps_catalog:curate-look-up": post(CURATORS, _version, closed=403),
    # Jobs
    "jobs:jobs": get(SIGNED_IN),
    "jobs:cancel-several": post(SIGNED_IN),
    "jobs:job": get(RUNNER, _job) + get(WATCHERS, _shared),
    "jobs:job-log": get(RUNNER, _job) + get(WATCHERS, _shared),
    "jobs:job-metrics": get(RUNNER, _job) + get(WATCHERS, _shared),
    "jobs:job-inputs": get(RUNNER, _job) + get(WATCHERS, _shared),
    "jobs:job-results": get(RUNNER, _job) + get(WATCHERS, _shared),
    "jobs:job-cancel": post(RUNNER, _job) + post(RUNNER, _shared, looking=TEAMMATE),
    "jobs:job-rerun": post(OWNER, _job) + post(MATES, _shared),  # an operator does not see the team's app
    "jobs:job-share": post(RUNNER, _job) + post(RUNNER, _shared, looking=TEAMMATE),
    "jobs:job-log-text": get(RUNNER, _job) + get(WATCHERS, _shared),
    "jobs:job-usage": get(RUNNER, _job) + get(WATCHERS, _shared),
    "jobs:job-results-zip": get(RUNNER, _job) + get(WATCHERS, _shared),
    "jobs:job-result-view": get(RUNNER, _result) + get(WATCHERS, _shared_result),
    "jobs:job-result-image": get(RUNNER, _image) + get(WATCHERS, _shared_image),
    "jobs:job-result": get(RUNNER, _result) + get(WATCHERS, _shared_result),
    "jobs:hosts": get(OPERATORS, closed=403),
    "jobs:host-drain": post(OPERATORS, _host, closed=403),
    "jobs:host-undrain": post(OPERATORS, _host, closed=403),
    # Launching and files
    "jobs:launch": both(CREW, _app),
    "jobs:launch-preview": post(CREW, _app),
    "jobs:form-preview": post(CURATORS, closed=403),
    "jobs:overlay-preview": post(CURATORS, _draft, closed=403),
    "jobs:uploads": post(SIGNED_IN),
    "jobs:vaults": get(SIGNED_IN),
    "jobs:files": get(OWNER, _vault) + get(MATES, _team_vault),
    "jobs:files-download": get(OWNER, _vault, query="?path=x.csv") + get(MATES, _team_vault, query="?path=x.csv"),
    "jobs:picker": get(OWNER, _vault) + get(MATES, _team_vault),
    "jobs:files-upload": post(OWNER, _vault) + post(MATES, _team_vault),
    "jobs:files-mkdir": post(OWNER, _vault) + post(MATES, _team_vault),
    "jobs:files-rename": post(OWNER, _vault) + post(MATES, _team_vault),
    "jobs:files-move": post(OWNER, _vault) + post(MATES, _team_vault),
    "jobs:files-delete": post(OWNER, _vault) + post(MATES, _team_vault),
}


def rules() -> list[tuple[str, int]]:
    """(name, which rule) of every row of the table, for parametrize."""
    return [(name, index) for name, found in EXPECTED.items() for index in range(len(found))]


def send(client: Client, verb: str, address: str, **headers: str) -> Any:
    """A request with an empty body of the kind that the address takes."""
    if verb in ("GET", "HEAD"):
        return client.generic(verb, address, headers=headers)
    kind = "application/json" if address.startswith("/api/") else "application/x-www-form-urlencoded"
    if "/files/" in address and address.startswith("/api/"):
        kind = "application/octet-stream"
    return client.generic(
        verb, address, b"{}" if kind == "application/json" else b"", content_type=kind, headers=headers
    )
