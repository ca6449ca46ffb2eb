"""What the API takes and shows of jobs, machines and hosts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps_catalog.help_pages import cleaned
from jobs import connections, sources
from jobs.models import Host, Job, JobEvent, JobStage, MachineType, Result
from jobs.states import FailureClass, JobState
from portal.api.fields import Body, Flag, Text, Whole

WALLTIME_MAX_S = 2**31 - 1


class SubmissionNew(Body):
    """What to run. Only `app` must be there; what else must be depends on the app."""

    app = Text(max_length=80, help_text="Slug of the app.")
    version = Text(
        max_length=40, required=False, default="", allow_blank=True, help_text="Label; the default version, if empty."
    )
    command = Text(
        max_length=300,
        required=False,
        default="",
        allow_blank=True,
        help_text="Key; not needed when there is only one.",
    )
    parameters = serializers.DictField(
        required=False, default=dict, help_text="Values by key, as the command's JSON Schema says."
    )
    machine = Text(max_length=40, required=False, default="", allow_blank=True, help_text="Name of a machine type.")
    nodes = Whole(min_value=1, max_value=100_000, required=False, default=1, help_text="How many machines of the type.")
    vault = Text(
        max_length=60, required=False, default="", allow_blank=True, help_text="Name of a vault, seen as /data."
    )
    vault_readonly = Flag(required=False, default=False, help_text="The job may read /data, not change it.")
    label = Text(max_length=200, required=False, default="", allow_blank=True, help_text="To find it by.")  # type: ignore[assignment]  # the key; not DRF's own label
    walltime_s = Whole(
        min_value=1,
        max_value=WALLTIME_MAX_S,
        required=False,
        allow_null=True,
        default=None,
        help_text="It is stopped after so many seconds; the app's or the installation's limit, if null.",
    )
    priority = Whole(min_value=-100, max_value=100, required=False, default=0, help_text="Higher goes first.")
    notify = Flag(
        required=False, default=False, help_text="Send a mail when it has ended, and when what it serves answers."
    )
    rerun_safe = Flag(required=False, default=False, help_text="It may be run again by itself when its host is lost.")
    team = Text(
        max_length=60,
        required=False,
        default="",
        allow_blank=True,
        help_text="Slug of a team of yours that may see it.",
    )


class JobNew(SubmissionNew):
    """A submission, or a rehearsal of one."""

    dry_run = Flag(required=False, default=False, help_text="Only judge and plan it; nothing is written.")


class JobQuery(serializers.Serializer[Any]):
    whose = serializers.ChoiceField(
        choices=("mine", "team", "all"),
        default="mine",
        help_text="Yours; those shared with your teams; all (for operators: everyone's).",
    )
    state = serializers.CharField(max_length=100, required=False, help_text="One state, or several with commas.")
    app = serializers.CharField(max_length=80, required=False, help_text="Slug of an app.")
    label = serializers.CharField(max_length=200, required=False, help_text="Part of the label.")  # type: ignore[assignment]  # the key; not DRF's own label
    created_after = serializers.DateTimeField(required=False)
    created_before = serializers.DateTimeField(required=False)

    def validate_state(self, text: str) -> list[str]:
        states = [word.strip() for word in text.split(",") if word.strip()]
        if unknown := [word for word in states if word not in set(JobState)]:
            raise serializers.ValidationError(f"'{unknown[0]}' is not a state. Known are: {', '.join(JobState)}.")
        return states


class StagesRead(serializers.ListSerializer[Any]):
    """The stages of a job. One that has none is not asked for them."""

    def get_attribute(self, job: Job) -> Iterable[JobStage]:
        return job.stages.all() if job.in_stages else ()


class StageRead(serializers.ModelSerializer[JobStage]):
    version = serializers.CharField(allow_null=True, help_text="The bundle and its version; null is passthrough.")
    machine = serializers.CharField(source="machine_type.name")

    class Meta:
        model = JobStage
        list_serializer_class = StagesRead
        fields: ClassVar = (
            "stage",
            "state",
            "version",
            "machine",
            "total",
            "succeeded",
            "failed",
            "cancelled",
            "started_at",
            "finished_at",
        )
        read_only_fields = fields


class PublicPortRead(serializers.Serializer[Any]):
    address = serializers.CharField(help_text="Address and port at which it is reached from outside.")
    port = serializers.CharField(help_text="The program's own port, `22/tcp`.")


class ConnectRead(serializers.Serializer[Any]):
    """What one can connect to. Where people are led to, with the app's own password, is told to their browser alone."""

    kind = serializers.CharField(allow_blank=True, help_text="web, desktop, terminal; empty: public ports alone.")
    state = serializers.ChoiceField(choices=("coming", "waiting", "late", "silent", "open", "unable", "ended"))
    message = serializers.CharField(help_text="The same in a sentence.")
    port = serializers.IntegerField(allow_null=True, help_text="That the program is waited for at, in its container.")
    since = serializers.DateTimeField(allow_null=True, help_text="When it came to be waiting or open.")
    url = serializers.CharField(allow_null=True, help_text="To open in a browser; null where you may not, or not now.")
    ports = PublicPortRead(many=True)
    help = serializers.CharField(allow_null=True, help_text="The app's help, as HTML without anything active.")


class EndRead(serializers.DictField):
    """A source or destination as it is shown: nothing behind the `?` of an address, which may be a key."""

    def to_representation(self, value: Any) -> dict[str, Any]:
        return super().to_representation(sources.masked(value))


class JobRead(serializers.ModelSerializer[Job]):
    app = serializers.CharField(source="version.app.slug")
    version = serializers.CharField(source="version.label")
    owner = serializers.CharField(source="owner.username")
    team = serializers.CharField(source="team.slug", allow_null=True, default=None)
    machine = serializers.CharField(source="machine_type.name")
    vault = serializers.CharField(source="vault.name", allow_null=True, default=None)
    failure_class = serializers.ChoiceField(choices=["", *FailureClass], help_text="Empty, where it has not failed.")
    parameters = serializers.DictField()
    retry_of = serializers.IntegerField(source="retry_of_id", allow_null=True)
    duration_s = serializers.SerializerMethodField(help_text="From start to end; null before it has ended.")
    cost = serializers.SerializerMethodField(
        help_text="Price of a node at submission x nodes x hours, so far or in all."
    )
    links = serializers.SerializerMethodField()
    stages = StageRead(many=True, help_text="partition, run, assemble; empty for a job without stages.")
    source = EndRead(help_text="Of a job in stages: where its files come from.")  # type: ignore[assignment]  # the key; not DRF's own
    destination = EndRead(help_text="Of a job in stages: where its results go.")
    config = serializers.DictField(help_text="Of a job in stages: time limits, retries, how many tasks may fail.")

    class Meta:
        model = Job
        fields: ClassVar[tuple[str, ...]] = (
            "number",
            "state",
            "reason",
            "failure_class",
            "exit_code",
            "app",
            "version",
            "command",
            "parameters",
            "machine",
            "nodes",
            "vault",
            "vault_readonly",
            "label",
            "project",
            "owner",
            "team",
            "priority",
            "walltime_s",
            "notify",
            "plan_digest",
            "tasks_total",
            "tasks_done",
            "stages",
            "description",
            "source",
            "destination",
            "config",
            "retry_of",
            "cancel_requested_at",
            "pause_requested_at",
            "created_at",
            "started_at",
            "finished_at",
            "duration_s",
            "price_per_hour",
            "cost",
            "links",
        )
        read_only_fields = fields

    def get_duration_s(self, job: Job) -> float | None:
        if job.started_at is None or job.finished_at is None:
            return None
        return round((job.finished_at - job.started_at).total_seconds(), 3)

    def get_cost(self, job: Job) -> str:
        return str(job.cost(timezone.now()))

    def get_links(self, job: Job) -> dict[str, str]:
        at = f"/api/v1/jobs/{job.number}"
        return {
            "self": at,
            "page": f"/jobs/{job.number}/",
            "events": f"{at}/events",
            "log": f"{at}/log",
            "results": f"{at}/results",
            "tasks": f"{at}/tasks",
            "cancel": f"{at}/cancel",
        }


class JobFull(JobRead):
    """A job as in a list, and how it stands with connecting to it. Needs the `viewer` in its context."""

    connect = serializers.SerializerMethodField(help_text="Null where the job offers nothing to connect to.")

    class Meta(JobRead.Meta):
        fields: ClassVar[tuple[str, ...]] = (*JobRead.Meta.fields, "connect")
        read_only_fields = fields

    @extend_schema_field(ConnectRead(allow_null=True))
    def get_connect(self, job: Job) -> dict[str, Any] | None:
        found = connections.connection_of(job, self.context["viewer"])
        if found is None:
            return None
        help_html = str(cleaned(job.version.help_html)).strip()
        url = connections.absolute(found.url) if found.opens and found.url else None
        return dict(ConnectRead({**vars(found), "url": url, "help": help_html or None}).data)


class FaultRead(serializers.Serializer[Any]):
    pointer = serializers.CharField(allow_blank=True)
    code = serializers.CharField()
    message = serializers.CharField()


class EstimateRead(serializers.Serializer[Any]):
    walltime_s = serializers.IntegerField(help_text="After this long it is stopped.")
    cost_max = serializers.CharField(help_text="Price of the machine type, times nodes, for the whole walltime.")


class PlanRead(serializers.Serializer[Any]):
    """Nothing was written: what would be run."""

    machine = serializers.CharField(help_text="The machine type it would run on.")
    plan = serializers.DictField(help_text="Image, argv, environment, files, mounts, user and limits.")
    plan_digest = serializers.CharField(help_text="The same for every door that asks for the same.")
    estimate = EstimateRead()


class Verdict(serializers.Serializer[Any]):
    valid = serializers.BooleanField()
    faults = FaultRead(many=True)
    machine = serializers.CharField(allow_null=True)
    plan = serializers.DictField(allow_null=True)
    plan_digest = serializers.CharField(allow_null=True)
    estimate = EstimateRead(allow_null=True)


class EventRead(serializers.ModelSerializer[JobEvent]):
    class Meta:
        model = JobEvent
        fields: ClassVar = ("id", "at", "kind", "message")
        read_only_fields = fields


class LogQuery(serializers.Serializer[Any]):
    offset = serializers.IntegerField(min_value=0, max_value=2**53, default=0, help_text="First byte wanted.")
    limit = serializers.IntegerField(min_value=1, max_value=2**20, default=2**18, help_text="Bytes at most.")
    task = serializers.IntegerField(min_value=0, max_value=2**31 - 1, default=0, help_text="Index of the task.")
    attempt = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, required=False, help_text="Number of the attempt; the last, if left out."
    )


class ResultRead(serializers.ModelSerializer[Result]):
    task = serializers.IntegerField(source="task.index")

    class Meta:
        model = Result
        fields: ClassVar = ("path", "task", "size", "sha256", "media_type", "skipped")
        read_only_fields = fields


class MachineRead(serializers.ModelSerializer[MachineType]):
    class Meta:
        model = MachineType
        fields: ClassVar = (
            "name",
            "description",
            "cores",
            "ram_mib",
            "gpus",
            "disk_mib",
            "network",
            "public_ports",
            "requires",
            "price_per_hour",
            "aliases",
            "nodes_max",
            "slave_ram_mib",
            "slave_gpus",
        )
        read_only_fields = fields


class MachineStateRead(serializers.Serializer[Any]):
    machine = MachineRead()
    slots = serializers.IntegerField()
    busy = serializers.IntegerField()
    state = serializers.ChoiceField(choices=("free", "busy", "full", "none"))
    reason = serializers.CharField()


class HostRead(serializers.ModelSerializer[Host]):
    serves = serializers.DictField(child=serializers.IntegerField(), help_text="Machine type to slots.")
    alive = serializers.BooleanField(help_text="Its heartbeat is recent.")
    running = serializers.IntegerField(help_text="Slots in use.")

    class Meta:
        model = Host
        fields: ClassVar = (
            "name",
            "tags",
            "serves",
            "mounts",
            "public_address",
            "relay_fault",
            "alive",
            "running",
            "draining",
            "engine",
            "engine_fault",
            "started_at",
            "heartbeat_at",
        )
        read_only_fields = fields


class WaitingRead(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    label = serializers.CharField(allow_blank=True)  # type: ignore[assignment]  # the key; not DRF's own label
    app = serializers.CharField(source="version.app.slug")
    machine = serializers.CharField(source="machine_type.name")
    created_at = serializers.DateTimeField()
    reason = serializers.CharField(help_text="Why it waits, in a sentence.")
