"""From a request's body to a submission: the app, the version and the team are found, the rest is for the services."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from apps_catalog import services as catalog
from apps_catalog.launch.document import text_fault
from apps_catalog.launch.spec import Fault, Submission
from apps_catalog.models import App, Version
from jobs.services import Preview
from portal.errors import Invalid
from portal.people.models import Team, User


@dataclass(frozen=True)
class Asked:
    """A body that makes sense so far."""

    version: Version
    submission: Submission
    team: Team | None


def named_app(slug: str) -> App | None:
    """The app of this slug, whoever may see it: the same row tells of which kind it is."""
    return None if not slug or text_fault(slug) else App.objects.for_launching().filter(slug=slug).first()


def read(body: dict[str, Any], user: User, app: App | None = None) -> Asked:
    """Raises Invalid with a fault for an app, a version or a team that this person has not.

    `app` is one that was found by the body's words as they came; it is looked for again only where they were not its slug.
    """
    if app is None or app.slug != body["app"]:
        app = named_app(body["app"])
    version = _version(user, app, body["app"], body["version"])
    faults: list[Fault] = []
    team = team_of(user, body["team"], faults)
    if faults:
        raise Invalid(faults[0].message, faults=faults)
    return Asked(version, _submission(body, version), team)


def _version(user: User, app: App | None, slug: str, label: str) -> Version:
    if app is None or not app.is_visible_to(user):
        raise _fault("/app", "unknown-app", f"There is no app '{slug}' that you may launch. See /api/v1/apps.")
    if not label:
        if app.default_version is None:
            raise _fault("/app", "not-published", f"The app '{slug}' has no published version. Ask a curator.")
        version = app.default_version
    else:
        found = app.versions.defer("definition", "findings").filter(label=label)
        if not user.curates:
            found = found.exclude(state=Version.State.DRAFT)
        if not (versions := list(found)):
            raise _fault("/version", "unknown-version", f"'{slug}' has no version '{label}'. See /api/v1/apps/{slug}.")
        version = versions[0]
    version.app = app
    return version


def _submission(body: dict[str, Any], version: Version) -> Submission:
    commands = catalog.spec_of(version).commands
    return Submission(
        command=body["command"] or (next(iter(commands)) if len(commands) == 1 else ""),
        parameters=body["parameters"],
        machine=body["machine"],
        nodes=body["nodes"],
        vault=body["vault"],
        vault_readonly=body["vault_readonly"],
        label=body["label"],
        walltime_s=body["walltime_s"],
    )


def team_of(user: User, slug: str, faults: list[Fault]) -> Team | None:
    """The team that a body names; None for none. One that the person is not in is a fault more."""
    team = user.team(slug)
    if slug and team is None:
        faults.append(Fault("/team", "unknown-team", f"You are in no team '{slug}'."))
    return team


def _fault(pointer: str, code: str, message: str) -> Invalid:
    return Invalid(message, faults=[Fault(pointer, code, message)])


def digest_of(body: Any) -> str:
    """sha256 of the canonical JSON: the same body, however it was spaced or ordered."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def planned(preview: Preview) -> dict[str, Any]:
    """What a good preview shows. Nothing for one with faults."""
    plan = preview.plan
    if plan is None:
        return {"machine": None, "plan": None, "plan_digest": None, "estimate": None}
    return {
        "machine": preview.machine.name if preview.machine else None,
        "plan": plan.as_json(),
        "plan_digest": plan.digest,
        "estimate": {"walltime_s": plan.limits.walltime_s, "cost_max": str(preview.estimate)},
    }
