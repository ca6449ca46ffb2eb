"""What came out of attempts: log, usage, results."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class LogChunk(models.Model):
    """A piece of an attempt's log, at most 64 KiB. Deleted at settle, when the log becomes one file (or one small row)."""

    id: int
    attempt = models.ForeignKey("Attempt", on_delete=models.CASCADE, related_name="log_chunks")
    sequence = models.PositiveIntegerField()
    offset = models.BigIntegerField()
    data = models.BinaryField()
    stamp = models.CharField(max_length=40, blank=True)  # of its last line, as the engine wrote it
    repeats = models.PositiveIntegerField(default=1)  # how many lines so far carry that stamp

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["attempt", "sequence"], name="one_chunk_a_sequence")]

    def __str__(self) -> str:
        return f"{self.attempt_id}/{self.sequence}"

    attempt_id: int


class UsageSeries(models.Model):
    """Samples of one attempt: points of [seconds since start, CPU percent, memory bytes, processes], thinned to at most 720."""

    attempt = models.OneToOneField("Attempt", on_delete=models.CASCADE, primary_key=True, related_name="usage")
    points = models.JSONField(default=list)
    every_s = models.FloatField(default=5)

    def __str__(self) -> str:
        return f"{len(self.points)} samples"


class Result(models.Model):
    """One file of /results, in the store. `skipped` says why a file was not taken (then nothing is stored)."""

    id: int
    job = models.ForeignKey("Job", on_delete=models.CASCADE, related_name="results")
    task = models.ForeignKey("Task", on_delete=models.CASCADE, related_name="results")
    path = models.CharField(max_length=1024)
    flat_name = models.CharField(max_length=255, blank=True)  # of a task's file among those of all tasks
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64, blank=True)
    media_type = models.CharField(max_length=120, blank=True)
    stored = models.CharField(max_length=300, blank=True)
    skipped = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering: ClassVar = ["path"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["task", "path"], name="one_result_a_path")]

    def __str__(self) -> str:
        return self.path


class BucketFile(models.Model):
    """A result that went to the destination `bucket`: kept apart from the job's own, until its time is over."""

    id: int
    job = models.ForeignKey("Job", on_delete=models.CASCADE, related_name="bucket_files")
    name = models.CharField(max_length=1024)
    size = models.BigIntegerField()
    stored = models.CharField(max_length=300)
    expires_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["job", "name"], name="one_bucket_file_a_name")]
        indexes: ClassVar = [models.Index(fields=["expires_at"], name="bucket_file_expiry")]

    def __str__(self) -> str:
        return self.name
