"""How it stands with connecting to a job: what there is to connect to, whether it answers, and what to say about it.

One reading for the job's page, the REST API and the JARVICE door. Nothing here is a secret: where people are led to, with
the app's own password, is the endpoint's to say, to those who may connect.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now
from django.urls import reverse

from jobs import origins
from jobs.models import Attempt, Endpoint, Job
from jobs.states import JobState
from portal.people.models import User
from portal.templatetags.portal_ui import duration

LATE_S = 120  # after so long without an answer the page says what may be wrong
State = Literal["coming", "waiting", "late", "silent", "open", "unable", "ended"]
KINDS = {"web": "the app", "desktop": "the desktop", "terminal": "the terminal"}
NO_DOMAIN = "This portal has no address for apps yet. Ask an operator to set APPS_DOMAIN."


@dataclass(frozen=True)
class PublicAddress:
    """One port of the job's at a public address: people reach `address`, which is the program's `port`."""

    address: str
    port: str

    @classmethod
    def of(cls, published: dict[str, Any]) -> PublicAddress:
        host = str(published["address"])
        shown = f"[{host}]" if ":" in host else host
        return cls(f"{shown}:{published['host_port']}", f"{published['port']}/{published['protocol']}")


@dataclass(frozen=True)
class Connection:
    """What one can connect to in a job. `state` open: now. `waited_s`: for how long it has been as it is, while it waits.

    `kind` is "" where there is a public address alone. `url` is the page of the portal that leads in, for those who `may`.
    `host` is where it is reached: a public address, or the name (and port) under which the portal shows it.
    """

    kind: str
    state: State
    message: str
    port: int | None = None
    since: datetime | None = None
    waited_s: int | None = None
    may: bool = False
    url: str = ""
    host: str = ""
    ports: tuple[PublicAddress, ...] = ()
    other_ports: tuple[int, ...] = field(default=())

    @property
    def opens(self) -> bool:
        return self.state == "open" and self.may

    @property
    def what(self) -> str:
        return KINDS.get(self.kind, "")

    @property
    def wrong(self) -> bool:
        return self.state in ("late", "silent", "unable")

    @property
    def waits(self) -> bool:
        return self.state in ("waiting", "late", "silent")


def connection_of(job: Job, viewer: User) -> Connection | None:
    """How it stands now; None where the job offers nothing to connect to. `job` is one that the viewer may see."""
    plan = job.plan if isinstance(job.plan, dict) else {}
    connect, wanted = plan.get("connect"), tuple(plan.get("published") or ())
    if not connect and not wanted:
        return None
    attempt = _attempt(job)
    found = tuple(map(PublicAddress.of, attempt.published)) if attempt and not job.terminal else ()
    if not connect:
        state, message = _public_words(job, found, wanted)
        host = str(attempt.published[0]["address"]) if attempt and found else ""
        return Connection("", state, message, ports=found, host=host, may=job.opens_to(viewer))
    return _served(job, viewer, connect, attempt, found)


def _attempt(job: Job) -> Attempt | None:
    """The latest try of its first task."""
    rows = Attempt.objects.filter(task__job=job).select_related("host")
    return rows.order_by("task__index", "-number").first()


def _public_words(job: Job, found: tuple[PublicAddress, ...], wanted: tuple[str, ...]) -> tuple[State, str]:
    if job.terminal:
        return "ended", "It has ended, and its public ports with it."
    if found:
        return "open", "Its ports are reached from outside at these addresses."
    listed = ", ".join(wanted)
    return "coming", f"Its ports ({listed}) get a public address when it starts."


def _served(
    job: Job, viewer: User, connect: dict[str, Any], attempt: Attempt | None, ports: tuple[PublicAddress, ...]
) -> Connection:
    kind = str(connect.get("kind", "web"))
    endpoint = endpoint_of(job, kind) if attempt else None
    port = endpoint.port if endpoint else int(connect.get("port") or 0) or None
    waited_s = round(endpoint.waited.total_seconds()) if endpoint else None  # type: ignore[attr-defined]  # annotated
    state, message = _state(job, kind, port, attempt, endpoint, waited_s)
    may = job.opens_to(viewer)
    if state == "open" and not may:
        message = "It is running. Only its owner, and the team it is shared with, connect to it."
    return Connection(
        kind,
        state,
        message,
        port=port,
        since=endpoint.since if endpoint else None,
        waited_s=waited_s,
        may=may,
        url=url_of(job, kind) if may else "",
        host=_host(attempt, endpoint),
        ports=ports,
        other_ports=tuple(endpoint.other_ports) if endpoint else (),
    )


def _host(attempt: Attempt | None, endpoint: Endpoint | None) -> str:
    if attempt is not None and attempt.published:
        return str(attempt.published[0]["address"])
    if endpoint is not None and endpoint.kind == Endpoint.Kind.WEB and origins.is_on():
        return origins.origin_of(endpoint.label).host
    return urlsplit(settings.PUBLIC_URL).netloc


def endpoint_of(job: Job, kind: str) -> Endpoint | None:
    """The newest endpoint of what the job is there for, with `waited`: for how long it has been in its state."""
    wanted = Endpoint.Kind.TERMINAL if kind == "terminal" else Endpoint.Kind.WEB
    span = ExpressionWrapper(Now() - F("since"), DurationField())
    return Endpoint.objects.filter(job=job, kind=wanted).annotate(waited=span).last()


def url_of(job: Job, kind: str) -> str:
    """The page of the portal that leads into it; a terminal is on the job's own page."""
    return job.get_absolute_url() if kind == "terminal" else reverse("jobs:job-connect", args=[job.number])


def _state(
    job: Job, kind: str, port: int | None, attempt: Attempt | None, endpoint: Endpoint | None, waited_s: int | None
) -> tuple[State, str]:
    what = KINDS.get(kind, "the app")
    if job.terminal:
        return "ended", f"The job has ended, and {what} with it."
    if job.state != JobState.RUNNING or attempt is None or attempt.ended_at is not None or endpoint is None:
        return "coming", f"{what.capitalize()} opens in your browser once the job runs and it answers."
    if kind != "terminal" and (fault := attempt.host.relay_fault):
        return "unable", f"Nobody can connect to jobs on host {attempt.host.name}. {fault}"
    if kind != "terminal" and not origins.is_on():
        return "unable", NO_DOMAIN
    if endpoint.state == Endpoint.State.OPEN:
        return "open", f"Ready: {what} answers."
    if kind == "terminal":
        return "waiting", "Starting: the terminal is being opened."
    return _waiting(endpoint, port, waited_s or 0)


def _waiting(endpoint: Endpoint, port: int | None, waited_s: int) -> tuple[State, str]:
    if endpoint.answered_at is not None:
        return "silent", (
            f"Port {port} does not answer any more. The program may have crashed, or be starting anew: its log may say "
            "why. Connect comes back when it answers."
        )
    if endpoint.other_ports:
        listed = ", ".join(map(str, endpoint.other_ports[:5]))
        are = "s" if len(endpoint.other_ports) > 1 else ""
        return "late", (
            f"Nothing answers on port {port}, where this app says it is; something listens on port{are} {listed}. If it "
            "stays so, the app's definition names the wrong port: tell a curator."
        )
    if waited_s > LATE_S:
        return "late", (
            f"Nothing has answered on port {port} for {duration(waited_s // 60 * 60)}. The program may need longer, listen "
            "on another port, or have failed: its log may say which. Connect appears when it answers."
        )
    return "waiting", f"Starting: waiting for port {port}"


def open_among(jobs: Iterable[Job], viewer: User) -> dict[int, str]:
    """Of these jobs those that the viewer can connect to now: number -> the page that leads in. Two queries at most."""
    running = {job.number: job for job in jobs if job.state == JobState.RUNNING}
    if not running:
        return {}
    rows = Endpoint.objects.filter(
        job_id__in=running, state=Endpoint.State.OPEN, job__plan__connect__kind__isnull=False
    ).values_list("job_id", "kind")
    found = set(rows)
    teams = set(viewer.memberships.values_list("team_id", flat=True)) if found else set()
    shown = {}
    for number, kind in found:
        job = running[number]
        if job.owner_id == viewer.pk or job.team_id in teams:
            shown[number] = url_of(job, "terminal" if kind == Endpoint.Kind.TERMINAL else "web")
    return shown


def absolute(path: str) -> str:
    return f"{settings.PUBLIC_URL}{path}"
