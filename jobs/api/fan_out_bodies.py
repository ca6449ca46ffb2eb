"""What the API takes and shows of jobs in stages: their drafts, their verdicts and their templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps_catalog.launch.spec import Fault, Json
from apps_catalog.models import App, Version
from jobs import sources
from jobs.api.submissions import team_of
from jobs.models import Job, JobTemplate
from jobs.serializers import FaultRead
from jobs.services import fan_out
from jobs.services.fan_out import FanOut, Judged, fan_out_of, over_template, tags
from jobs.services.fan_out.asking import SECTIONS
from jobs.services.rights import may_change
from jobs.services.templates import find_template, may_change_template
from jobs.states import Stage
from portal.api.fields import Body, Flag, Text, Whole
from portal.errors import Invalid, NotFound
from portal.people.models import Team, User

TAG = "Tag of a bundle: name, name@1 or name@1.2"
# Keys of a body, and the fields of a FanOut that they are.
PARTS: Mapping[str, str] = {
    "params": "parameters",
    "dataSource": "source",
    "dataDestination": "destination",
    "config": "config",
    "name": "name",
    "description": "description",
    "machines": "machines",
}


ENDS = ("dataSource", "dataDestination")


class DraftParts(Body):
    """What a job in stages is made of. What a template says is the default of all that is left out."""

    app = Text(max_length=100, required=False, help_text=f"{TAG}.")
    partitioner = Text(max_length=100, required=False, help_text=f"{TAG}; or passthrough, as if left out.")
    assembler = Text(max_length=100, required=False, help_text=f"{TAG}; or passthrough, as if left out.")
    params = serializers.DictField(
        required=False, help_text="One object each for partitioner, app and assembler: values as their schemas say."
    )
    dataSource = serializers.DictField(required=False, help_text="Where its files come from; bypass, if left out.")  # noqa: N815
    dataDestination = serializers.DictField(required=False, help_text="Where its results go; bypass, if left out.")  # noqa: N815
    config = serializers.DictField(
        required=False, help_text="taskTimeout, jobTimeout (s), maxTaskRetries, isTestJob, max_failed_tasks."
    )
    machines = serializers.DictField(
        required=False,
        help_text="Machine type by stage (partition, run, assemble); the cheapest that fits, if left out.",
    )
    name = Text(max_length=200, required=False, allow_blank=True, help_text="To find it by.")
    description = Text(max_length=10_000, required=False, allow_blank=True)


class DraftChange(DraftParts):
    """Parts of a draft to change. What is left out stays as it is."""

    strict = Flag(required=False, default=False, help_text="Refuse what is wrong with the parts that are changed.")


class DraftNew(DraftParts):
    """Either `template` or `app` must be there."""

    template = Text(max_length=64, required=False, help_text="Id of a job template.")
    team = Text(
        max_length=60, required=False, default="", allow_blank=True, help_text="Slug of a team that may see it."
    )
    priority = Whole(min_value=-100, max_value=100, required=False, default=0, help_text="Higher goes first.")
    notify = Flag(required=False, default=False, help_text="Send a mail when it has ended.")


class StagedJobNew(DraftNew):
    """A job in stages, run at once; or a rehearsal of one."""

    dry_run = Flag(required=False, default=False, help_text="Only judge and plan it; nothing is written.")


class RunNew(Body):
    """Settings that go over those of the draft, key by key."""

    config = serializers.DictField(required=False)


class DraftRead(serializers.Serializer[Any]):
    """A draft, as it would be sent."""

    number = serializers.IntegerField()
    state = serializers.CharField(help_text="draft")
    template = serializers.CharField(allow_null=True)
    app = serializers.CharField()
    partitioner = serializers.CharField()
    assembler = serializers.CharField()
    params = serializers.DictField()
    dataSource = serializers.DictField()  # noqa: N815
    dataDestination = serializers.DictField()  # noqa: N815
    config = serializers.DictField()
    machines = serializers.DictField(child=serializers.CharField())
    name = serializers.CharField(allow_blank=True)
    description = serializers.CharField(allow_blank=True)
    owner = serializers.CharField()
    team = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    links = serializers.DictField(child=serializers.CharField())


class StagePlanRead(serializers.Serializer[Any]):
    stage = serializers.ChoiceField(choices=[str(stage) for stage in Stage])
    version = serializers.CharField(allow_null=True, help_text="The bundle and its version; null is passthrough.")
    machine = serializers.CharField()
    price_per_hour = serializers.CharField(help_text="Of a task, on that machine type.")
    plan = serializers.DictField(allow_null=True, help_text="What each of its tasks runs; null where nothing runs.")
    plan_digest = serializers.CharField(allow_null=True)


class StagedVerdict(serializers.Serializer[Any]):
    """Either all faults, or the three stages as they would run."""

    valid = serializers.BooleanField()
    faults = FaultRead(many=True)
    stages = StagePlanRead(many=True)


class TemplateParts(Body):
    id = Text(max_length=64, required=False, help_text="Letters, digits, dash and underscore; the same for good.")
    name = Text(max_length=200, required=False, allow_blank=True)
    description = Text(max_length=10_000, required=False, allow_blank=True)
    app = Text(max_length=100, required=False, help_text=f"{TAG}.")
    partitioner = Text(max_length=100, required=False, help_text=f"{TAG}; or passthrough.")
    assembler = Text(max_length=100, required=False, help_text=f"{TAG}; or passthrough.")
    params = serializers.DictField(
        required=False, help_text="Defaults: an object each for partitioner, app, assembler."
    )
    dataSource = serializers.DictField(required=False)  # noqa: N815
    dataDestination = serializers.DictField(required=False)  # noqa: N815
    config = serializers.DictField(required=False)
    team = Text(max_length=60, required=False, allow_blank=True, help_text="Slug of a team that may use it.")
    everyone = Flag(required=False, help_text="Everyone may use it; only curators may say so.")


class TemplateNew(TemplateParts):
    id = Text(max_length=64, help_text="Letters, digits, dash and underscore; the same for good.")
    app = Text(max_length=100, help_text=f"{TAG}.")


class TemplateRead(serializers.ModelSerializer[JobTemplate]):
    id = serializers.CharField(source="slug")  # that of template.json, not the row's
    params = serializers.DictField(source="parameters")
    dataSource = serializers.DictField(source="source")  # noqa: N815
    dataDestination = serializers.DictField(source="destination")  # noqa: N815
    config = serializers.DictField()
    owner = serializers.CharField(source="owner.username")
    team = serializers.CharField(source="team.slug", allow_null=True, default=None)
    links = serializers.SerializerMethodField()

    class Meta:
        model = JobTemplate
        fields: ClassVar = (
            "id",
            "name",
            "description",
            "app",
            "partitioner",
            "assembler",
            "params",
            "dataSource",
            "dataDestination",
            "config",
            "owner",
            "team",
            "everyone",
            "created_at",
            "updated_at",
            "links",
        )
        read_only_fields = fields

    def to_representation(self, template: JobTemplate) -> dict[str, Any]:
        """`viewer` of the context is who reads it; only who may change it is shown whole addresses."""
        found: dict[str, Any] = super().to_representation(template)
        if not may_change_template(template, self.context["viewer"]):
            found |= {key: sources.masked(found[key]) for key in ENDS}
        return found

    @extend_schema_field(serializers.DictField(child=serializers.CharField()))
    def get_links(self, template: JobTemplate) -> dict[str, str]:
        return {"self": f"/api/v1/templates/{template.slug}", "page": f"/templates/{template.slug}/"}


class TemplateQuery(serializers.Serializer[Any]):
    q = serializers.CharField(max_length=200, required=False, help_text="Part of the id, the name or the description.")
    whose = serializers.ChoiceField(choices=("all", "mine"), default="all", help_text="All that you may use, or yours.")
    app = serializers.CharField(max_length=80, required=False, help_text="Name of the bundle that it runs.")


@dataclass(frozen=True)
class AskedFor:
    """A body that names things which are there."""

    fan_out: FanOut
    team: Team | None
    body: dict[str, Any]


def asks_for_stages(body: Mapping[str, Any], app: App | None) -> bool:
    """Whether a body for a new job is that of a job in stages: it names a template, or a bundle as its `app`."""
    return "template" in body or (app is not None and app.kind == App.Kind.BYTENITE)


def app_name(body: Mapping[str, Any]) -> str:
    """The slug that `app` begins with, whatever the tag behind it."""
    return str(body.get("app", "")).partition("@")[0]


def read_draft(data: Mapping[str, Any], user: User, kind: type[DraftNew] = DraftNew) -> AskedFor:
    """A new draft. Raises Invalid with a fault for each thing that it names and that is not this person's to use."""
    asked = kind(data=data)
    asked.is_valid(raise_exception=True)
    body: dict[str, Any] = asked.validated_data
    faults: list[Fault] = []
    template = _template(user, body, faults)
    if template is None and "app" not in body and not faults:
        faults.append(Fault("/app", "required", "Name an app, or a template that names one."))
    found = _versions(user, body, template, faults)
    team = team_of(user, body.get("team", ""), faults)
    _refuse(faults)
    given: dict[str, Any] = {field: body.get(key) for key, field in PARTS.items() if key in body}
    if template is not None:
        merged = {name: given.get(name) for name in ("parameters", "source", "destination", "config")}
        given |= over_template(template, **merged)
    return AskedFor(FanOut(template=template, **found, **given), team, body)


def read_change(data: Mapping[str, Any], user: User) -> tuple[dict[str, Any], bool]:
    """The parts of a draft to change, by field of a FanOut, and whether to be strict. Raises Invalid."""
    asked = DraftChange(data=data)
    asked.is_valid(raise_exception=True)
    body = asked.validated_data
    faults: list[Fault] = []
    found = {section: version for section, version in _versions(user, body, None, faults).items() if section in body}
    _refuse(faults)
    return found | {field: body[key] for key, field in PARTS.items() if key in body}, body["strict"]


def _template(user: User, body: Mapping[str, Any], faults: list[Fault]) -> JobTemplate | None:
    if "template" not in body:
        return None
    try:
        return find_template(user, body["template"])
    except NotFound as missing:
        faults.append(Fault("/template", "unknown-template", missing.message))
        return None


def _versions(user: User, body: Mapping[str, Any], template: JobTemplate | None, faults: list[Fault]) -> dict[str, Any]:
    """The versions that tags name, by section."""
    found: dict[str, Version | None] = {}
    for section in SECTIONS.values():
        tag = body.get(section) or (getattr(template, section) if template else "")
        one = tags.find_version(user, tag, section) if tag else None
        if isinstance(one, Fault):
            said = one if section in body else replace(one, pointer="/template", message=f"{section}: {one.message}")
            faults.append(said)
        else:
            found[section] = one
    return found


def _refuse(faults: list[Fault]) -> None:
    if faults:
        raise Invalid.of(faults)


def show_draft(job: Job, viewer: User) -> dict[str, Any]:
    """The body of a draft. Only who may change it is shown whole addresses."""
    asked = fan_out_of(job)
    if not may_change(job, viewer):
        asked = replace(asked, source=sources.masked(asked.source), destination=sources.masked(asked.destination))
    return {
        "number": job.number,
        "state": job.state,
        "template": job.template.slug if job.template else None,
        **{section: tags.tag_of(asked.version(stage)) for stage, section in SECTIONS.items()},
        **{key: getattr(asked, field) for key, field in PARTS.items()},
        "machines": {stage: name for stage, name in asked.machines.items() if name},
        "owner": job.owner.username,
        "team": job.team.slug if job.team else None,
        "created_at": job.created_at,
        "links": {
            "self": f"/api/v1/drafts/{job.number}",
            "page": f"/jobs/{job.number}/",
            "check": f"/api/v1/drafts/{job.number}/check",
            "run": f"/api/v1/drafts/{job.number}/run",
        },
    }


def verdict_on(found: Judged | list[Fault]) -> dict[str, Json]:
    """The body of a verdict."""
    if isinstance(found, list):
        faults = [{"pointer": f.pointer, "code": f.code, "message": f.message} for f in found]
        return {"valid": False, "faults": faults, "stages": []}
    stages = [
        {
            "stage": str(stage),
            "version": tags.tag_of(one.version) if one.version else None,
            "machine": one.machine.name,
            "price_per_hour": str(one.machine.price_per_hour),
            "plan": one.plan.as_json() if one.plan else None,
            "plan_digest": one.plan.digest if one.plan else None,
        }
        for stage, one in found.stages.items()
    ]
    return {"valid": True, "faults": [], "stages": stages}


def judge_or_refuse(asked: FanOut, owner: User) -> dict[str, Json]:
    """The verdict on what is good. Raises Invalid with all faults."""
    found = fan_out.judge(asked, owner=owner)
    if isinstance(found, list):
        raise Invalid.of(found)
    return verdict_on(found)
