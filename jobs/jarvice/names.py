"""What clients call things by: jobs by number or name, apps by their id of an older site, machine types by an alias."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from apps_catalog.models import App
from jobs.jarvice.calls import Call, malformed
from jobs.models import Job, MachineType
from portal.errors import NotFound
from portal.people.models import User

JOB_NAME = re.compile(r"(?P<at>[0-9]{14})-(?P<code>[A-Z0-9]{5})-.+_s[0-9]+")
NUMBER_MAX = 2**63 - 1
NOT_FOUND = "Job not found"
NOT_RUNNING = "Running job is not found"  # to the letter: clients look for it
SHOWN = ("version__app", "machine_type", "vault", "owner", "team")
UNREAD = ("icon", "search", "default_version__findings")
HEAVY = ("plan", "version__definition", "version__findings", "version__app__icon", "version__app__search")


def shown(rows: QuerySet[Job]) -> QuerySet[Job]:
    """With all that an answer needs, in one query, and without what it doesn't."""
    return rows.select_related(*SHOWN).defer(*HEAVY)


def find_job(call: Call, user: User, *, missing: str = NOT_FOUND) -> Job:
    """The job that `number` or `name` says, if the person may see it. Raises NotFound with the words `missing`."""
    number, name = call.whole("number", 0), call.text("name").strip()
    if not number and not name:
        raise malformed("No job specified: send `number` or `name`.")
    rows = shown(Job.objects.visible_to(user))
    found = rows.filter(number=min(number, NUMBER_MAX)).first() if number else _named(rows, name)
    if found is None:
        raise NotFound(missing)
    return found


def find_own_job(call: Call, user: User) -> Job:
    """The job, if the person may change it; else it looks as if it did not run."""
    job = find_job(call, user, missing=NOT_RUNNING)
    if job.owner_id != user.pk and not user.operates:
        raise NotFound(NOT_RUNNING)
    return job


def _named(rows: QuerySet[Job], name: str) -> Job | None:
    """The name holds the second and the code of a job; both are looked for, and the whole name has to be the same."""
    parts = JOB_NAME.fullmatch(name)
    if parts is None:
        return None
    try:
        second = datetime.strptime(parts["at"], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    candidates = rows.filter(
        code=parts["code"], created_at__gte=second, created_at__lt=second + timedelta(seconds=1)
    ).order_by("-number")
    return next((job for job in candidates if job.name == name), None)


def visible_apps(user: User) -> QuerySet[App]:
    """Published AppDefs this person sees (bundles run in stages, which those clients don't know), with their default version but not its text."""
    rows = App.objects.visible_to(user).filter(kind=App.Kind.APPDEF, published=True, default_version__isnull=False)
    return rows.select_related("default_version", "created_by").defer(*UNREAD, "default_version__definition")


def find_app(user: User, given: str) -> App | None:
    """By slug; then by name; then as an id of a JARVICE: the definition's own `id`, or `owner-app`. None where none fits.

    Where several fit in one of these steps, none does: a job must not run another app than was meant.
    """
    given = given.strip()
    rows = visible_apps(user)
    if not given or len(given) > 300:
        return None
    plain = _plain(given.partition("-")[2])
    steps: list[Any] = [
        lambda: rows.filter(slug=given),
        lambda: rows.filter(name=given),
        lambda: rows.filter(Q(slug=given.lower()) | Q(name__iexact=given)),
        lambda: [
            app for app in rows.filter(default_version__definition__contains=json.dumps(given)) if own_id(app) == given
        ],
        lambda: [app for app in rows if plain and plain in (_plain(app.slug), _plain(app.name))],
    ]
    for step in steps:
        found = list(step()[:2])
        if found:
            return found[0] if len(found) == 1 else None
    return None


def own_id(app: App) -> str:
    """The `id` that the author wrote into the definition; "" where there is none."""
    version = app.default_version
    document = json.loads(version.definition) if version else None
    value = document.get("id") if isinstance(document, dict) else None
    return value if isinstance(value, str) else ""


def _plain(text: str) -> str:
    """Small letters and digits alone, as ids of a JARVICE are made of names."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def find_machine(name: str) -> MachineType | None:
    """The enabled machine type of this name, or with this alias."""
    rows = MachineType.objects.filter(enabled=True)
    return rows.filter(name=name).first() or rows.filter(aliases__contains=[name]).first()
