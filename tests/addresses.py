"""Every address of the portal, found by the URL resolver, with one example of each thing an address can name.

Who may do what there is the table EXPECTED. An address that is in none of its rows fails test_permissions_matrix.py:
whoever adds one says here who may use it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from jobs import links, uploads
from jobs.upload_addresses import address_of
from tests.factories import make_image_import, make_import_run
from tests.world import BYTENITE, JARVICE, PEOPLE, World, build

DOORS = (JARVICE, BYTENITE)  # where no cookie counts
__all__ = ["DOORS", "EVERYBODY", "EXPECTED", "JARVICE", "PEOPLE", "VERBS", "Rule", "World", "build", "rules"]

EVERYBODY = frozenset(PEOPLE)
SIGNED_IN = EVERYBODY - {"nobody"}
OWNER = frozenset({"owner"})
RUNNER = frozenset({"owner", "operator"})
CREW = frozenset({"owner", "teammate", "curator"})  # a team's app: its members, and curators see all
MATES = frozenset({"owner", "teammate"})
WATCHERS = frozenset({"owner", "teammate", "operator"})
CURATORS = frozenset({"curator"})
OPERATORS = frozenset({"operator"})
OVERSEERS = CURATORS | OPERATORS
TEAMMATE = frozenset({"teammate"})
NOBODY: frozenset[str] = frozenset()
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


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


def _bundle(world: World) -> dict[str, Any]:
    return {"slug": world.bundle.app.slug, "label": world.bundle.label}


def _bundle_draft(world: World) -> dict[str, Any]:
    return {"slug": world.bundle.app.slug, "label": world.bundle_draft.label}


def _bundle_file(world: World) -> dict[str, Any]:
    return {**_bundle(world), "name": "app/main.py"}


def _bundle_draft_file(world: World) -> dict[str, Any]:
    return {**_bundle_draft(world), "name": "app/main.py"}


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


def _upload_address(world: World) -> dict[str, Any]:
    begun = uploads.begin(owner=world.people["owner"], name="x.csv", size=0)
    return {"token": address_of(begun).rpartition("/")[2]}


def _result_link(world: World) -> dict[str, Any]:
    return {"token": next(links.of_job(world.job)).url.rpartition("/")[2]}


def _token(world: World) -> dict[str, Any]:
    return {"pk": world.token.pk}


def _secret(world: World) -> dict[str, Any]:
    return {"pk": world.secret.pk}


def _team_secret(world: World) -> dict[str, Any]:
    return {"pk": world.team_secret.pk}


def _running(world: World) -> dict[str, Any]:
    return {"number": world.running.number}


def _staged(world: World) -> dict[str, Any]:
    return {"number": world.staged.number}


def _template(world: World) -> dict[str, Any]:
    return {"slug": world.template.slug}


def _team_template(world: World) -> dict[str, Any]:
    return {"slug": world.team_template.slug}


def _run(arguments: Arguments) -> Arguments:
    """The one task of a job without stages."""
    return lambda world: {**arguments(world), "stage": "run", "index": 0}


def _bytenite_job(world: World) -> dict[str, Any]:
    return {"job": world.staged.number}


def _bundle_app(world: World) -> dict[str, Any]:
    return {"slug": world.bundle.app.slug}


def _bundle_tag(world: World) -> dict[str, Any]:
    return {"tag": "matrix-bundle"}


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
    "account_reset_password_from_key": both(EVERYBODY, lambda world: {"uidb36": "1", "key": "set-password"}),
    "people:account": both(SIGNED_IN),
    "people:sign-out-elsewhere": post(SIGNED_IN),
    "people:tokens": get(SIGNED_IN),
    "people:create-token": post(SIGNED_IN),
    "people:revoke-token": post(OWNER, _token),
    "people:secrets": both(SIGNED_IN),
    "people:replace-secret": both(OWNER, _secret) + both(MATES, _team_secret),
    "people:delete-secret": post(OWNER, _secret) + post(MATES, _team_secret),
    # The API
    "api:docs": get(SIGNED_IN),
    "api:schema": get(SIGNED_IN),
    "api:unknown": [Rule({})],
    "api:tokens": both(SIGNED_IN),
    "api:token": [Rule({"DELETE": OWNER}, _token)],
    "api:secrets": both(SIGNED_IN),
    "api:secret": [Rule({"PUT": OWNER, "DELETE": OWNER}, _secret), Rule({"PUT": MATES, "DELETE": MATES}, _team_secret)],
    "api:apps": [Rule({"GET": SIGNED_IN}), Rule({"POST": CURATORS}, closed=403)],
    "api:app": get(CREW, _app),
    "api:app-eula": post(CREW, _app),
    "api:bundles": [Rule({"POST": CURATORS}, closed=403)],
    "api:bundle": get(CREW, _bundle) + get(CURATORS, _bundle_draft),
    "api:activate": post(CURATORS, _version, closed=403) + post(CURATORS, _draft, closed=403),
    "api:deactivate": post(CURATORS, _version, closed=403) + post(CURATORS, _draft, closed=403),
    "api:version": get(CREW, _version) + get(CURATORS, _draft),
    "api:version-schema": get(CREW, _version) + get(CURATORS, _draft),
    "api:validate": post(CREW, _app),
    "api:jobs": both(SIGNED_IN),
    "api:job": get(RUNNER, _job) + get(WATCHERS, _shared),
    "api:job-cancel": post(RUNNER, _job) + post(RUNNER, _shared, looking=TEAMMATE),
    "api:job-pause": post(RUNNER, _job) + post(RUNNER, _shared, looking=TEAMMATE),
    "api:job-resume": post(RUNNER, _job) + post(RUNNER, _shared, looking=TEAMMATE),
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
    "api:job-duplicate": post(RUNNER, _job) + post(WATCHERS, _shared),  # 409: they have no stages
    "api:drafts": both(SIGNED_IN),
    "api:draft": [Rule(dict.fromkeys(("GET", "PATCH", "DELETE"), RUNNER), _staged)],
    "api:draft-check": post(RUNNER, _staged),
    "api:draft-run": post(RUNNER, _staged),
    "api:templates": both(SIGNED_IN),
    "api:template": [
        Rule(dict.fromkeys(("GET", "PATCH", "DELETE"), OWNER), _template),
        Rule(
            {"GET": MATES, "PATCH": OWNER, "DELETE": OWNER},
            _team_template,
            looking=TEAMMATE,
        ),
    ],
    "api:machines": get(SIGNED_IN),
    "api:hosts": get(OPERATORS, closed=403),
    "api:queue": get(SIGNED_IN),
    "api:vaults": get(SIGNED_IN),
    "api:vault-default": [Rule({"PUT": OWNER}, _api_vault)],
    "api:vault-folder": get(OWNER, _api_vault),
    "api:vault-files": [
        Rule(dict.fromkeys(("GET", "PUT", "POST", "DELETE"), OWNER), _api_file),
        Rule(dict.fromkeys(("GET", "PUT", "POST", "DELETE"), MATES), _api_team_file),
    ],
    "api:uploads": both(SIGNED_IN),
    "api:upload-addresses": post(SIGNED_IN),
    "api:sources-test": post(SIGNED_IN),
    "api:sources-list": post(SIGNED_IN),
    "api:upload": get(OWNER, _upload),
    # The JARVICE door: a key of its own, never a cookie
    # The door of ByteNite
    "bytenite:access-token": post(EVERYBODY),
    "bytenite:signout": post(SIGNED_IN),
    "bytenite:user": get(SIGNED_IN),
    "bytenite:secrets": both(SIGNED_IN),
    "bytenite:secret": [Rule({"DELETE": NOBODY}, lambda world: {"kind": "s3", "name": "none"})],
    "bytenite:api-keys": get(SIGNED_IN),
    "bytenite:api-key-revoke": post(OWNER, lambda world: {"key": world.token.pk}),
    "bytenite:info": get(SIGNED_IN),
    "bytenite:jobs": both(SIGNED_IN),
    "bytenite:jobs-filter": post(SIGNED_IN),
    "bytenite:jobs-running": post(SIGNED_IN),
    "bytenite:jobs-templates": get(SIGNED_IN),
    "bytenite:job": [Rule({"GET": RUNNER, "DELETE": RUNNER}, _bytenite_job)],
    "bytenite:job-results": get(RUNNER, _bytenite_job),
    **{
        f"bytenite:job-{call}{spelling}": [Rule(dict.fromkeys(("PATCH", "POST"), RUNNER), _bytenite_job)]
        for call in ("datasource", "params", "name", "config", "uploadcompleted")
        for spelling in ("", "-early")
    },
    **{
        f"bytenite:job-{call}{spelling}": post(RUNNER, _bytenite_job)
        for call in ("run", "abort")
        for spelling in ("", "-early")
    },
    "bytenite:datasource-test": post(SIGNED_IN),
    "bytenite:logs": post(SIGNED_IN),
    "bytenite:events": get(SIGNED_IN),
    "bytenite:templates": both(SIGNED_IN),
    "bytenite:template": [Rule({"GET": OWNER, "DELETE": OWNER}, lambda world: {"id": world.template.slug})],
    **{
        f"bytenite:{noun}s": [Rule({"GET": SIGNED_IN}), Rule({"POST": CURATORS}, closed=403)]
        for noun in ("app", "engine")
    },
    **{f"bytenite:app{call}": get(CREW, _bundle_tag) for call in ("", "-status", "-download")},
    **{
        f"bytenite:app-{call}": [Rule(dict.fromkeys(("POST", "PUT", "PATCH"), CURATORS), _bundle_tag, closed=403)]
        for call in ("activate", "deactivate")
    },
    **{f"bytenite:engine{call}": [Rule({}, _bundle_tag)] for call in ("", "-status", "-download")},  # it is an app
    **{f"bytenite:engine-{call}": [Rule({}, _bundle_tag, closed=403)] for call in ("activate", "deactivate")},
    "bytenite:bundle-file": [Rule({}, lambda world: {"token": "forged"})],
    "bytenite:unknown": [Rule({})],
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
    "jarvice:appdef": both(CREW, sought=lambda world: {"name": world.app.slug}),
    "jarvice:machines": both(SIGNED_IN),
    "jarvice:queues": both(SIGNED_IN),
    "jarvice:vault": both(OWNER, sought=_vault),
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
    "apps_catalog:curate-import-bundle": both(CURATORS, closed=403),
    "apps_catalog:curate-check-bundle": post(CURATORS, closed=403),
    "apps_catalog:bundle-code": get(CREW, _bundle_file) + get(CURATORS, _bundle_draft_file),
    "apps_catalog:bundle-download": get(CREW, _bundle) + get(CURATORS, _bundle_draft),
    "jobs:fitting-machines": get(CREW, _bundle) + get(CURATORS, _bundle_draft),
    "apps_catalog:curate-version": get(CURATORS, _draft, closed=403),
    "apps_catalog:compare": get(CURATORS, _app, closed=403),
    "apps_catalog:import-runs": both(CURATORS, closed=403),
    "apps_catalog:import-run": get(CURATORS, lambda world: {"pk": make_import_run().pk}, closed=403),
    "apps_catalog:grants": get(OPERATORS, closed=403),
    "apps_catalog:curate-grants": [Rule({"GET": OVERSEERS, "POST": OPERATORS}, _draft, closed=403)],
    "apps_catalog:curate-from-image": both(CURATORS, closed=403),
    "apps_catalog:image-import": get(
        CURATORS, lambda world: {"pk": make_image_import(world.people["curator"]).pk}, closed=403
    ),
    "apps_catalog:curate-overlay": both(CURATORS, _draft, closed=403),
    "apps_catalog:curate-settings": post(CURATORS, _draft, closed=403),
    "apps_catalog:curate-image": both(CURATORS, _draft, closed=403),
    "apps_catalog:curate-publish": post(CURATORS, _draft, closed=403),
    "apps_catalog:curate-retire": post(CURATORS, _version, closed=403),
    "apps_catalog:curate-make-default": post(CURATORS, _version, closed=403),
    "apps_catalog:curate-look-up": post(CURATORS, _version, closed=403),
    # Jobs
    "jobs:jobs": get(SIGNED_IN),
    "jobs:palette": get(SIGNED_IN),
    "jobs:cancel-several": post(SIGNED_IN),
    "jobs:job": get(RUNNER, _job) + get(WATCHERS, _shared),
    "jobs:job-log": get(RUNNER, _job) + get(WATCHERS, _shared),
    "jobs:job-metrics": get(RUNNER, _job) + get(WATCHERS, _shared),
    "jobs:job-inputs": get(RUNNER, _job) + get(WATCHERS, _shared),
    "jobs:job-results": get(RUNNER, _job) + get(WATCHERS, _shared),
    "jobs:job-cancel": post(RUNNER, _job) + post(RUNNER, _shared, looking=TEAMMATE),
    "jobs:job-pause": post(RUNNER, _job) + post(RUNNER, _shared, looking=TEAMMATE),
    "jobs:job-resume": post(RUNNER, _job) + post(RUNNER, _shared, looking=TEAMMATE),
    "jobs:job-rerun": post(OWNER, _job) + post(MATES, _shared),  # an operator does not see the team's app
    "jobs:job-connect": get(OWNER, _running, looking=OPERATORS) + get(MATES, _shared, looking=OPERATORS),
    "jobs:job-keep": post(RUNNER, _running),
    "jobs:job-share": post(RUNNER, _job) + post(RUNNER, _shared, looking=TEAMMATE),
    "jobs:job-retry": post(RUNNER, _job) + post(RUNNER, _shared, looking=TEAMMATE),
    "jobs:job-duplicate": post(RUNNER, _job) + post(WATCHERS, _shared),  # 409: they have no stages
    "jobs:job-delete": post(RUNNER, _staged) + post(RUNNER, _shared, looking=TEAMMATE),
    "jobs:job-tasks": get(RUNNER, _job) + get(WATCHERS, _shared),
    "jobs:job-task-rows": get(RUNNER, _job) + get(WATCHERS, _shared),
    "jobs:job-task": get(RUNNER, _run(_job)) + get(WATCHERS, _run(_shared)),
    "jobs:task-log-text": get(RUNNER, _run(_job)) + get(WATCHERS, _run(_shared)),
    "jobs:task-file": get(RUNNER, _run(_result)) + get(WATCHERS, _run(_shared_result)),
    "jobs:task-file-image": get(RUNNER, _run(_image)) + get(WATCHERS, _run(_shared_image)),
    "jobs:task-file-view": get(RUNNER, _run(_result)) + get(WATCHERS, _run(_shared_result)),
    "jobs:templates": get(SIGNED_IN),
    "jobs:template-new": both(SIGNED_IN),
    "jobs:template-json": get(SIGNED_IN),
    "jobs:template-part": post(SIGNED_IN),
    "jobs:template": get(OWNER, _template) + get(MATES, _team_template),
    "jobs:template-edit": both(OWNER, _template) + both(OWNER, _team_template, looking=TEAMMATE),
    "jobs:template-launch": get(OWNER, _template) + get(MATES, _team_template),
    "jobs:template-delete": post(OWNER, _template) + post(OWNER, _team_template, looking=TEAMMATE),
    "jobs:job-log-text": get(RUNNER, _job) + get(WATCHERS, _shared),
    "jobs:job-usage": get(RUNNER, _job) + get(WATCHERS, _shared),
    "jobs:job-results-zip": get(RUNNER, _job) + get(WATCHERS, _shared),
    "jobs:job-result-view": get(RUNNER, _result) + get(WATCHERS, _shared_result),
    "jobs:job-result-image": get(RUNNER, _image) + get(WATCHERS, _shared_image),
    "jobs:job-result": get(RUNNER, _result) + get(WATCHERS, _shared_result),
    "jobs:job-terminal": [*get(OWNER, _running), Rule({}, _shared)],  # that one has none
    # The shared one has ended: its owner gets 409.
    "jobs:job-open-shell": post(OWNER, _running, looking=OPERATORS)
    + post(OWNER, _shared, looking=OPERATORS | TEAMMATE),
    "jobs:job-shell": get(OWNER, lambda world: {"number": world.running.number, "pk": world.shell.pk}),
    "jobs:hosts": get(OPERATORS, closed=403),
    "jobs:host-drain": post(OPERATORS, _host, closed=403),
    "jobs:host-undrain": post(OPERATORS, _host, closed=403),
    # Launching and files
    "jobs:launch": both(CREW, _app),
    "jobs:launch-preview": post(CREW, _app),
    "jobs:launch-part": post(CREW, _bundle_app),
    "jobs:form-preview": post(CURATORS, closed=403),
    "jobs:dry-run": both(CURATORS, _draft, closed=403),
    "jobs:machine-globs": get(CURATORS, _draft, closed=403),
    "jobs:parameter-usage": get(CURATORS, _draft, closed=403),
    "jobs:overlay-preview": post(CURATORS, _draft, closed=403),
    "jobs:schema-try": both(CURATORS, closed=403),
    "jobs:schema-check": post(CURATORS, closed=403),
    "jobs:schema-verdict": post(CURATORS, closed=403),
    "jobs:schema-part": post(CURATORS, closed=403),  # 409 without a schema
    "jobs:uploads": post(SIGNED_IN),
    "jobs:upload-address": [Rule({"GET": EVERYBODY, "PUT": EVERYBODY}, _upload_address)],  # signed
    "jobs:result-link": get(EVERYBODY, _result_link),  # signed
    "jobs:ends-test": post(SIGNED_IN),
    "jobs:ends-pick": post(SIGNED_IN),
    "jobs:vaults": get(SIGNED_IN),
    "jobs:vault-default": post(OWNER, _vault) + post(MATES, _team_vault),
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
