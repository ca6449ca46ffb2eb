"""What the API takes and shows of the tasks of a job, and of the attempts at them."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from jobs.models import Attempt, Task
from jobs.states import FailureClass, Stage, TaskState


class TaskQuery(serializers.Serializer[Any]):
    stage = serializers.ChoiceField(choices=tuple(Stage), required=False)
    state = serializers.ChoiceField(choices=tuple(TaskState), required=False)


class AttemptRead(serializers.ModelSerializer[Attempt]):
    host = serializers.CharField(source="host.name")
    failure_class = serializers.ChoiceField(choices=["", *FailureClass])
    duration_s = serializers.SerializerMethodField(help_text="From start to end; null before it has ended.")

    class Meta:
        model = Attempt
        fields: ClassVar = (
            "number",
            "state",
            "host",
            "exit_code",
            "failure_class",
            "reason",
            "claimed_at",
            "started_at",
            "ended_at",
            "duration_s",
            "memory_peak_bytes",
            "cpu_s",
            "log_bytes",
        )
        read_only_fields = fields

    def get_duration_s(self, attempt: Attempt) -> float | None:
        if attempt.started_at is None or attempt.ended_at is None:
            return None
        return round((attempt.ended_at - attempt.started_at).total_seconds(), 3)


class TakenFrom(serializers.Serializer[Any]):
    job = serializers.IntegerField(source="job_id")
    index = serializers.IntegerField()


class TaskRead(serializers.ModelSerializer[Task]):
    """One task, with its last attempt (null before it was begun)."""

    machine = serializers.CharField(source="machine_type.name")
    failure_class = serializers.ChoiceField(choices=["", *FailureClass], help_text="Empty, where it has not failed.")
    taken_from = TakenFrom(allow_null=True, help_text="The task of an earlier job whose results these are.")
    attempt = serializers.SerializerMethodField()

    class Meta:
        model = Task
        fields: ClassVar = (
            "stage",
            "index",
            "state",
            "reason",
            "failure_class",
            "machine",
            "chunk_bytes",
            "retries",
            "infra_retries",
            "taken_from",
            "attempt",
        )
        read_only_fields = fields

    @extend_schema_field(AttemptRead(allow_null=True))
    def get_attempt(self, task: Task) -> dict[str, Any] | None:
        """Attempts come with the task, in one query for a page of them."""
        last = max(task.attempts.all(), key=lambda attempt: attempt.number, default=None)
        return None if last is None else dict(AttemptRead(last).data)


class TaskDetail(TaskRead):
    """One task with all its attempts and where its log and results are."""

    attempts = AttemptRead(many=True)
    links = serializers.DictField(child=serializers.CharField(), source="addresses")

    class Meta:
        model = Task
        fields: ClassVar = (*TaskRead.Meta.fields, "attempts", "links")
        read_only_fields = fields


class AttemptQuery(serializers.Serializer[Any]):
    offset = serializers.IntegerField(min_value=0, max_value=2**53, default=0, help_text="First byte wanted.")
    limit = serializers.IntegerField(min_value=1, max_value=2**20, default=2**18, help_text="Bytes at most.")
    attempt = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, required=False, help_text="Number of the attempt; the last, if left out."
    )
