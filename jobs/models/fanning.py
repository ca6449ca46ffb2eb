"""Jobs in stages (partition, run, assemble): their templates, and how far each stage is."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from apps_catalog.launch.bytenite import PASSTHROUGH
from jobs.models.jobs import Moving, choices
from jobs.states import Stage, StageState

if TYPE_CHECKING:
    from portal.people.models import User

TEMPLATE_ID = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z", "Use letters, digits, dash and underscore, at most 64."
)


class JobTemplateQuerySet(models.QuerySet["JobTemplate"]):
    def visible_to(self, user: User) -> JobTemplateQuerySet:
        """A person's own, those of their teams, and those for everyone."""
        return self.filter(Q(owner=user) | Q(team__members=user) | Q(everyone=True)).distinct()

    def naming(self, slug: str, role: str) -> JobTemplateQuerySet:
        """Those whose tag of that role (app, partitioner, assembler) names the bundle, in whichever version."""
        return self.filter(Q((role, slug)) | Q((f"{role}__startswith", f"{slug}@")))


class JobTemplate(models.Model):
    """What a job in stages starts from. `app`, `partitioner`, `assembler` are tags (name, name@1, name@1.2) or passthrough.

    `parameters` has one object each for partitioner, app and assembler: defaults that a job's own go over, key by key.
    """

    id: int
    slug = models.CharField(max_length=64, unique=True, validators=[TEMPLATE_ID])
    name = models.CharField(max_length=200, blank=True)
    description = models.TextField(blank=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="job_templates")
    team = models.ForeignKey("portal.Team", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    everyone = models.BooleanField(default=False)
    app = models.CharField(max_length=100)
    partitioner = models.CharField(max_length=100, default=PASSTHROUGH)
    assembler = models.CharField(max_length=100, default=PASSTHROUGH)
    source = models.JSONField(default=dict, blank=True)
    destination = models.JSONField(default=dict, blank=True)
    parameters = models.JSONField(default=dict, blank=True)
    config = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = JobTemplateQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name", "slug"]

    def __str__(self) -> str:
        return self.name or self.slug

    @property
    def app_slug(self) -> str:
        """The name in the tag of its app."""
        return self.app.partition("@")[0]


class JobStage(Moving):
    """One stage of a job in stages. `version` None: passthrough. Counters are kept in the transactions that settle tasks.

    `plan` is what each of its tasks runs ({} where nothing runs in a container). A draft has its rows already:
    `machine_asked` is the machine type that its person named, "" where the cheapest that fits is to be taken.
    """

    id: int
    job = models.ForeignKey("Job", on_delete=models.CASCADE, related_name="stages")
    stage = models.CharField(max_length=12, choices=choices(Stage))
    state = models.CharField(max_length=12, choices=choices(StageState), default=StageState.WAITING)
    version = models.ForeignKey("apps_catalog.Version", null=True, on_delete=models.PROTECT, related_name="+")
    machine_type = models.ForeignKey("MachineType", on_delete=models.PROTECT, related_name="+")
    machine_asked = models.CharField(max_length=40, blank=True)
    plan = models.JSONField(default=dict)
    plan_digest = models.CharField(max_length=64, blank=True)
    total = models.PositiveIntegerField(default=0)
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    cancelled = models.PositiveIntegerField(default=0)
    price_per_hour = models.DecimalField(max_digits=10, decimal_places=4, default=0)  # when the job was submitted
    # How far its files are on their way in or out: {doing: fetch | deliver, bytes, bytes_total, files, files_total}, or {}.
    progress = models.JSONField(default=dict, blank=True)
    busy_s = models.FloatField(default=0)  # what all its attempts that have ended took together
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    job_id: int

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["job", "stage"], name="one_row_a_stage")]

    def __str__(self) -> str:
        return f"job {self.job_id} {self.stage}"

    @property
    def open(self) -> int:
        """How many of its tasks have not ended."""
        return self.total - self.succeeded - self.failed - self.cancelled

    @property
    def cost(self) -> Decimal:
        """Of what has ended so far."""
        return Decimal(self.price_per_hour) * Decimal(self.busy_s) / 3600
