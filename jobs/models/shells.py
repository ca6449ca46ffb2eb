"""Shells that people open beside the programs of their jobs."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse


class Shell(models.Model):
    """One shell: asked for on the job's page, begun by the worker when its owner looks at it first, ended once.

    `mark` is the runtime's name for it (jobs.runtimes.base.Terminal), "" before it has begun: with it another process
    than the one that began it can end it.
    """

    id: int
    job = models.ForeignKey("Job", on_delete=models.CASCADE, related_name="shells")
    attempt = models.ForeignKey("Attempt", on_delete=models.CASCADE, related_name="shells")
    node = models.PositiveIntegerField(default=1)
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    opened_at = models.DateTimeField(db_default=Now())
    mark = models.CharField(max_length=200, blank=True)
    ended_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True)
    exit_code = models.IntegerField(null=True)
    reason = models.TextField(blank=True)

    job_id: int
    attempt_id: int
    opened_by_id: int

    class Meta:
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [models.Index(fields=["attempt"], name="shell_open", condition=Q(ended_at=None))]

    def __str__(self) -> str:
        return f"shell {self.pk} of job {self.job_id}"

    def get_absolute_url(self) -> str:
        return reverse("jobs:job-shell", args=[self.job_id, self.pk])
