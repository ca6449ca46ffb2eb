"""What has been run, and where: the rows that are the truth."""

from __future__ import annotations

from jobs.models.endpoints import Endpoint, Visit
from jobs.models.hosts import Chore, Host, Installation, MachineType
from jobs.models.jobs import Attempt, IdempotencyKey, Job, JobEvent, OwnerLoad, Task
from jobs.models.output import LogChunk, Result, UsageSeries
from jobs.models.storage import DefaultVault, Upload, Vault

__all__ = [
    "Attempt",
    "Chore",
    "DefaultVault",
    "Endpoint",
    "Host",
    "IdempotencyKey",
    "Installation",
    "Job",
    "JobEvent",
    "LogChunk",
    "MachineType",
    "OwnerLoad",
    "Result",
    "Task",
    "Upload",
    "UsageSeries",
    "Vault",
    "Visit",
]
