"""Jobs, their tasks, the attempts at them, and what happened to them."""

from __future__ import annotations

import secrets
import string
import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import CombinedExpression as Combined
from django.db.models.functions import Now
from django.urls import reverse

from jobs.states import (
    JOB_ACTIVE,
    JOB_TERMINAL,
    TASK_TERMINAL,
    AttemptState,
    FailureClass,
    JobState,
    Stage,
    TaskState,
    sources,
)

if TYPE_CHECKING:
    from portal.people.models import User


def choices(kind: type[StrEnum]) -> list[tuple[str, str]]:
    return [(str(member), member.name.capitalize()) for member in kind]


class LostRace(Exception):
    """Raised when a row is no longer in a state (or at an attempt number) from which the move is allowed."""


class Moving(models.Model):
    """A row with a state. `move` is the only way a state changes."""

    class Meta:
        abstract = True

    def move(self, to: StrEnum, *, where: dict[str, Any] | None = None, **changes: Any) -> Self:
        """Compare-and-set to `to`, with `changes`, if the row is in a state that allows it and matches `where`.

        Raises LostRace otherwise. Call inside a transaction, beside the JobEvent that gives the reason.
        """
        rows = type(self)._default_manager.filter(pk=self.pk, state__in=sources(to), **(where or {}))
        if not rows.update(state=str(to), **changes):
            raise LostRace(f"{type(self).__name__} {self.pk} can't become {to}.")
        self.state = str(to)
        for name, value in changes.items():
            if not hasattr(value, "resolve_expression"):
                setattr(self, name, value)
        return self


def job_code() -> str:
    """Five capital letters and digits that tell jobs of one second apart in their names."""
    return "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(5))


class JobQuerySet(models.QuerySet["Job"]):
    def visible_to(self, user: User) -> JobQuerySet:
        """A person's own jobs, those shared with a team of theirs; operators see all."""
        if user.operates:
            return self
        return self.filter(Q(owner=user) | Q(team_id__in=user.memberships.values("team_id")))

    def active(self) -> JobQuerySet:
        return self.filter(state__in=JOB_ACTIVE)


class Job(Moving):
    """One accepted submission. `plan` is what exactly is executed; `cancel_requested_at` is "please stop"."""

    number = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="jobs")
    team = models.ForeignKey("portal.Team", null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs")
    version = models.ForeignKey("apps_catalog.Version", on_delete=models.PROTECT, related_name="jobs")
    command = models.CharField(max_length=300)
    parameters = models.JSONField(default=dict)
    machine_type = models.ForeignKey("MachineType", on_delete=models.PROTECT, related_name="jobs")
    vault = models.ForeignKey("Vault", null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs")
    vault_readonly = models.BooleanField(default=False)
    nodes = models.PositiveIntegerField(default=1)
    identity = models.JSONField(default=dict)  # as it was sent; the author's own goes before it
    code = models.CharField(max_length=5, default=job_code, editable=False)  # of its name
    project = models.CharField(max_length=200, blank=True)
    price_per_hour = models.DecimalField(
        max_digits=10, decimal_places=4, default=0
    )  # of one node, when it was submitted
    # Of a job in stages: what its template and its person chose. `parameters` has one object each for partitioner, app, assembler.
    template = models.ForeignKey("JobTemplate", null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs")
    description = models.TextField(blank=True)
    source = models.JSONField(default=dict, blank=True)
    destination = models.JSONField(default=dict, blank=True)
    config = models.JSONField(default=dict, blank=True)
    in_stages = models.BooleanField(default=False, editable=False)  # it has JobStage rows
    deadline_at = models.DateTimeField(null=True)  # jobTimeout after its start: then all of it is stopped
    # "Please stop", said by the installation: its deadline, or more failed tasks than it allows. Then it fails so.
    stop_class = models.CharField(max_length=12, choices=choices(FailureClass), blank=True)
    stop_reason = models.TextField(blank=True)
    pause_requested_at = models.DateTimeField(null=True)
    uploads: models.ManyToManyField[Any, Any] = models.ManyToManyField("Upload", blank=True, related_name="jobs")
    label = models.CharField(max_length=200, blank=True)
    priority = models.SmallIntegerField(default=0)
    walltime_s = models.PositiveIntegerField()
    notify = models.BooleanField(default=False)
    rerun_safe = models.BooleanField(default=False)
    plan = models.JSONField()
    plan_digest = models.CharField(max_length=64)
    state = models.CharField(max_length=12, choices=choices(JobState), default=JobState.QUEUED)
    failure_class = models.CharField(max_length=12, choices=choices(FailureClass), blank=True)
    reason = models.TextField(blank=True)
    exit_code = models.IntegerField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    retry_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="retries")
    tasks_total = models.PositiveIntegerField(default=1)
    tasks_done = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    purged_at = models.DateTimeField(null=True)

    owner_id: int
    version_id: int
    machine_type_id: int
    vault_id: int | None
    objects = JobQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-number"]
        indexes: ClassVar = [
            models.Index(fields=["owner", "-number"], name="job_owner"),
            models.Index(fields=["team", "-number"], name="job_team", condition=Q(team__isnull=False)),
            models.Index(fields=["owner", "state"], name="job_owner_active", condition=Q(state__in=JOB_ACTIVE)),
            models.Index(fields=["version", "-number"], name="job_version"),
            models.Index(fields=["finished_at"], name="job_keep", condition=Q(purged_at=None)),
            # The watchers look here once a second for jobs that are to end.
            models.Index(
                fields=["number"],
                name="job_stopping",
                condition=Q(state__in=JOB_ACTIVE, in_stages=True)
                & (Q(cancel_requested_at__isnull=False) | ~Q(stop_class="") | Q(deadline_at__isnull=False)),
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state__in=JOB_TERMINAL, finished_at__isnull=False)
                | (~Q(state__in=JOB_TERMINAL) & Q(finished_at=None)),
                name="job_finished_iff_terminal",
            ),
            models.CheckConstraint(
                condition=~Q(state=JobState.FAILED) | ~Q(failure_class=""), name="job_failed_has_class"
            ),
        ]

    def __str__(self) -> str:
        return f"job {self.number}"

    def get_absolute_url(self) -> str:
        return reverse("jobs:job", args=[self.number])

    @property
    def name(self) -> str:
        """What the program finds as JOB_NAME, and JARVICE clients as the job's name: one word, different for each job."""
        return f"{self.created_at:%Y%m%d%H%M%S}-{self.code}-{self.version.app.slug}-{self.owner.username}_s1"

    @property
    def terminal(self) -> bool:
        return self.state in JOB_TERMINAL

    def opens_to(self, user: User) -> bool:
        """Whether this person may connect to what it serves: its owner, and the team it is shared with. Operators see a job;
        what people do in its app is theirs alone."""
        shared = self.team_id is not None and user.memberships.filter(team_id=self.team_id).exists()
        return self.owner_id == user.pk or shared

    @property
    def paused(self) -> bool:
        return self.pause_requested_at is not None and not self.terminal

    def cost(self, now: datetime) -> Decimal:
        """What it has cost from its start to its end, or so far: the price of a node at submission, its nodes, its hours.

        Of a job in stages: what the attempts that have ended took, each at the price of its stage's machine type.
        """
        if self.in_stages:
            return sum((stage.cost for stage in self.stages.all()), Decimal(0)).quantize(Decimal("0.0001"))
        if self.started_at is None:
            return Decimal("0.0000")
        ran = max((self.finished_at or now) - self.started_at, timedelta(0))
        hours = Decimal(ran // timedelta(microseconds=1)) / 3_600_000_000
        return (Decimal(self.price_per_hour) * self.nodes * hours).quantize(Decimal("0.0001"))


class Task(Moving):
    """One unit of a stage; it occupies one slot. `attempt_number` is the fencing token of the attempt in force."""

    id: int
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="tasks")
    stage = models.CharField(max_length=12, choices=choices(Stage), default=Stage.RUN)
    index = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=12, choices=choices(TaskState), default=TaskState.READY)
    machine_type = models.ForeignKey("MachineType", on_delete=models.PROTECT, related_name="tasks")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    priority = models.SmallIntegerField(default=0)
    # It stands in line as if its job had been submitted so many jobs later: the tasks of a large job let others in.
    behind = models.PositiveIntegerField(default=0, db_default=0)
    ready_at = models.DateTimeField(db_default=Now())  # not claimed before: backoff after an infra failure
    # HELD until this vault, which one job has at a time, comes to its job; limits of the owner are another matter.
    waits_for = models.ForeignKey("Vault", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    host = models.ForeignKey("Host", null=True, on_delete=models.PROTECT, related_name="tasks")
    attempt_number = models.PositiveIntegerField(default=0)
    retries = models.PositiveSmallIntegerField(default=0)  # of the person's own, after failures of the program
    chunk = models.CharField(max_length=300, blank=True)  # in the store: what a task of the stage `run` works on
    chunk_bytes = models.BigIntegerField(null=True)
    taken_from = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="+"
    )  # its results are that one's
    infra_retries = models.PositiveSmallIntegerField(default=0)
    failure_class = models.CharField(max_length=12, choices=choices(FailureClass), blank=True)
    reason = models.TextField(blank=True)

    job_id: int
    owner_id: int
    host_id: int | None
    machine_type_id: int
    waits_for_id: int | None

    class Meta:
        ordering: ClassVar = ["job", "stage", "index"]
        indexes: ClassVar = [
            # The claim walks this index and nothing else.
            models.Index(
                F("machine_type"),
                F("priority").desc(),
                Combined(F("job"), "+", F("behind"), output_field=models.BigIntegerField()),
                F("job"),
                F("index"),
                name="task_claim",
                condition=Q(state=TaskState.READY),
            ),
            models.Index(fields=["host", "machine_type"], name="task_running", condition=Q(state=TaskState.RUNNING)),
            models.Index(
                fields=["owner", "machine_type", "-priority", "job"],
                name="task_held",
                condition=Q(state=TaskState.HELD),
            ),
            models.Index(fields=["owner"], name="task_ready_owner", condition=Q(state=TaskState.READY)),
            models.Index(fields=["waits_for", "job"], name="task_turn", condition=Q(waits_for__isnull=False)),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job", "stage", "index"], name="one_task_an_index"),
            models.CheckConstraint(
                condition=Q(state=TaskState.RUNNING, host__isnull=False, attempt_number__gt=0)
                | (~Q(state=TaskState.RUNNING) & Q(host=None)),
                name="task_has_host_iff_running",
            ),
        ]

    def __str__(self) -> str:
        return f"job {self.job_id} {self.stage} {self.index}"

    @property
    def terminal(self) -> bool:
        return self.state in TASK_TERMINAL


class Attempt(Moving):
    """One try of a task on one host: one container, one working folder, both named after `name`."""

    class LogState(models.TextChoices):
        ROWS = "rows", "Rows"
        FILE = "file", "File in the store"
        GONE = "gone", "Removed by retention"

    id: int
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=80, unique=True)  # of the container
    state = models.CharField(max_length=12, choices=choices(AttemptState), default=AttemptState.STARTING)
    host = models.ForeignKey("Host", on_delete=models.PROTECT, related_name="attempts")
    tended_by = models.UUIDField(default=uuid.uuid4)  # the incarnation of the host's process that tends it
    slot = models.PositiveIntegerField(default=0)
    walltime_s = models.PositiveIntegerField()
    claimed_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    stop_reason = models.CharField(max_length=12, choices=choices(FailureClass), blank=True)
    exit_code = models.IntegerField(null=True)
    failure_class = models.CharField(max_length=12, choices=choices(FailureClass), blank=True)
    reason = models.TextField(blank=True)
    log_state = models.CharField(max_length=6, choices=LogState, default=LogState.ROWS)
    log_bytes = models.BigIntegerField(default=0)
    log_cut_at = models.BigIntegerField(default=0)  # where a left-out middle begins, and its size
    log_cut_bytes = models.BigIntegerField(default=0)
    log_file = models.CharField(max_length=300, blank=True)
    # Ports that are reached from outside: [{"address", "host_port", "port", "protocol"}], in the author's order.
    published = models.JSONField(default=list)
    memory_peak_bytes = models.BigIntegerField(null=True)
    cpu_s = models.FloatField(null=True)

    task_id: int
    host_id: int
    fresh = False  # it was made a moment ago, in this process: nothing can have been written of it yet

    class Meta:
        ordering: ClassVar = ["task", "number"]
        indexes: ClassVar = [
            models.Index(
                fields=["host"],
                name="attempt_open",
                condition=Q(state__in=(AttemptState.STARTING, AttemptState.RUNNING)),
            )
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["task", "number"], name="one_attempt_a_number"),
            models.CheckConstraint(
                condition=Q(state__in=(AttemptState.EXITED, AttemptState.LOST), ended_at__isnull=False)
                | Q(state__in=(AttemptState.STARTING, AttemptState.RUNNING), ended_at=None),
                name="attempt_ended_iff_closed",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class JobEvent(models.Model):
    """One thing that happened to a job, with the reason in plain words."""

    id: int
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events")
    task = models.ForeignKey(Task, null=True, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(db_default=Now())
    kind = models.CharField(max_length=30)
    message = models.TextField()

    class Meta:
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [models.Index(fields=["job", "id"], name="event_job")]

    def __str__(self) -> str:
        return self.message


class OwnerLoad(models.Model):
    """How many jobs of a person are queued and running, and their limits (empty: the installation's).

    Locked by submit, claim and settle; kept in the same transactions as the jobs it counts.
    """

    owner = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="load"
    )
    running = models.PositiveIntegerField(default=0)
    queued = models.PositiveIntegerField(default=0)
    running_max = models.PositiveIntegerField(null=True, blank=True)
    queued_max = models.PositiveIntegerField(null=True, blank=True)

    owner_id: int

    def __str__(self) -> str:
        return f"{self.queued} queued, {self.running} running"

    @property
    def running_limit(self) -> int:
        return self.running_max if self.running_max is not None else settings.JOBS_RUNNING_MAX

    @property
    def queued_limit(self) -> int:
        return self.queued_max if self.queued_max is not None else settings.JOBS_QUEUED_MAX


class IdempotencyKey(models.Model):
    """A key of a client's, the digest of the body it came with, and the job it made."""

    id: int
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    body_digest = models.CharField(max_length=64)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    job_id: int

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["owner", "key"], name="one_job_a_key")]

    def __str__(self) -> str:
        return self.key
