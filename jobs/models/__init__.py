"""What has been run, and where: the rows that are the truth."""

from __future__ import annotations

from jobs.models.fanning import JobStage, JobTemplate
from jobs.models.hosts import Chore, Host, Installation, MachineType
from jobs.models.jobs import Attempt, IdempotencyKey, Job, JobEvent, OwnerLoad, Task
from jobs.models.output import BucketFile, LogChunk, Result, UsageSeries
from jobs.models.storage import DefaultVault, Upload, Vault

__all__ = [
    "Attempt",
    "BucketFile",
    "Chore",
    "DefaultVault",
    "Host",
    "IdempotencyKey",
    "Installation",
    "Job",
    "JobEvent",
    "JobStage",
    "JobTemplate",
    "LogChunk",
    "MachineType",
    "OwnerLoad",
    "Result",
    "Task",
    "Upload",
    "UsageSeries",
    "Vault",
]
