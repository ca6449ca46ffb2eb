"""Jobs that serve something, for tests: rows as a worker leaves them, with a plan of the planner's own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from apps_catalog.launch.plan import plan
from jobs import endpoints
from jobs.models import Attempt, Endpoint, Job
from jobs.states import JobState
from portal.people.models import User
from tests.apps_catalog.launch import generate
from tests.factories import make_job, make_version

SECRET = "path-secret-77"
WEB = {"interactive": True, "url": "https://%PUBLICADDR%:8888/lab?token=%NIMBIXPASSWD%"}


def make_serving_job(
    owner: User,
    *,
    command: dict[str, Any] | None = None,
    state: JobState = JobState.RUNNING,
    published: list[dict[str, Any]] | None = None,
    **over: Any,
) -> Job:
    """A job whose command has these keys (a web app at port 8888), with the endpoint that its worker declared."""
    definition = generate.definition(command=WEB if command is None else command)
    spec = generate.read(definition)
    made = plan(generate.launch(spec, {}), generate.site())
    version = over.pop("version", None) or make_version(definition=definition)
    job = make_job(owner, version=version, state=state, command="go", parameters={}, plan=made.as_json(), **over)
    attempt = Attempt.objects.filter(task__job=job).first()
    if attempt is not None and published:
        Attempt.objects.filter(pk=attempt.pk).update(published=published)
    if attempt is not None and made.connect is not None:
        if made.connect.kind == "terminal":
            endpoints.declare(attempt, kind=Endpoint.Kind.TERMINAL)
        else:
            endpoints.declare(attempt, kind=Endpoint.Kind.WEB, port=made.connect.port, path=f"/lab?token={SECRET}")
    return job


def endpoint_of(job: Job) -> Endpoint:
    return Endpoint.objects.get(job=job)


def open_it(job: Job) -> Endpoint:
    """It answers."""
    assert endpoints.opened(endpoint_of(job))
    return endpoint_of(job)


def age(endpoint: Endpoint, **by: Any) -> None:
    """Let all that happened to it have happened so much earlier."""
    span = timedelta(**by)
    Endpoint.objects.filter(pk=endpoint.pk).update(
        since=Now() - span, last_traffic_at=F("last_traffic_at") - span, answered_at=F("answered_at") - span
    )
