"""Jobs over the API: judge, create, list, read, pause and cancel."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps_catalog.api import find_app
from apps_catalog.launch.spec import Fault
from apps_catalog.models import App, Version
from jobs import services
from jobs.api import fan_out_bodies as bodies
from jobs.api import submissions
from jobs.api.headers import KEY, LOCATION, key_of
from jobs.models import Job, JobStage
from jobs.placement import why_waiting
from jobs.serializers import JobFull, JobNew, JobQuery, JobRead, PlanRead, SubmissionNew, Verdict
from jobs.services.fan_out import tags
from jobs.states import JobState
from portal.api.pages import Keyset, listed, query
from portal.api.views import PortalView, person
from portal.errors import Invalid, NotFound
from portal.people.models import User

SHOWN = ("version__app", "machine_type", "vault", "owner", "team")
STAGE_HEAVY = ("version__definition", "version__findings", "version__app__icon", "version__app__search")
HEAVY = ("plan", "version__definition", "version__findings", "version__app__icon", "version__app__search")


def shown(rows: QuerySet[Job]) -> QuerySet[Job]:
    """With all that a representation needs, in one query, and without what it doesn't."""
    stages = JobStage.objects.select_related("version__app", "machine_type").defer("plan", *STAGE_HEAVY)
    return rows.select_related(*SHOWN).defer(*HEAVY).prefetch_related(Prefetch("stages", stages))


def find_job(user: User, number: int) -> Job:
    """The job, if this person may see it."""
    job = shown(Job.objects.visible_to(user)).filter(number=number).first()
    if job is None:
        raise NotFound(f"There is no job {number} that you may see. Your jobs are listed at /api/v1/jobs.")
    return job


@cache
def _reading() -> JobRead:
    """Kept by the process: it holds nothing of a job, and its forty fields take twenty times as long to make as to read."""
    return JobRead()


def read(job: Job) -> dict[str, Any]:
    """One job as a list shows it."""
    return dict(_reading().to_representation(job))


def represent(job: Job) -> dict[str, Any]:
    """One job in full; a queued one says why it waits."""
    found = read(job)
    if job.state == JobState.QUEUED:
        found["reason"] = why_waiting(job) or found["reason"]
    return found


def find_bundle(user: User, slug: str) -> App | None:
    """The bundle of an app of this name, if there is one that this person may use."""
    return tags.usable_bundles(user, "app").filter(slug=slug).first()


class Validate(PortalView):
    @extend_schema(
        tags=["apps"],
        summary="Judge a submission",
        description="Faults, or the resolved plan with an estimate; of a bundle, a plan a stage. Nothing is written. "
        "`app` may be left out.",
        request=PolymorphicProxySerializer(
            "SubmissionOrStages",
            serializers=[SubmissionNew(partial=True), bodies.StagedJobNew(partial=True)],
            resource_type_field_name=None,
        ),
        responses=PolymorphicProxySerializer(
            "VerdictOrStages", serializers=[Verdict, bodies.StagedVerdict], resource_type_field_name=None
        ),
    )
    def post(self, request: Request, slug: str) -> Response:
        user = person(request)
        if (app := find_bundle(user, slug)) is not None:
            body = {"app": app.slug, **self.body(request)}
            if str(body["app"]).partition("@")[0] != slug:
                said = f"names another app; this address judges jobs of {slug}"
                raise Invalid(said, faults=[Fault("/app", "app", said)])
            asked_for = bodies.read_draft(body, user, bodies.StagedJobNew)
            return Response(bodies.verdict_on(services.fan_out.judge(asked_for.fan_out, owner=user)))
        found = find_app(user, slug)
        asked = SubmissionNew(data={**self.body(request), "app": slug})
        asked.is_valid(raise_exception=True)
        known = submissions.read(asked.validated_data, user, found)
        preview = services.preview(owner=person(request), version=known.version, submission=known.submission)
        faults = [{"pointer": f.pointer, "code": f.code, "message": f.message} for f in preview.faults]
        return Response({"valid": not faults, "faults": faults, **submissions.planned(preview)})


class Jobs(PortalView):
    scopes: ClassVar = {"POST": "launch"}

    @extend_schema(
        tags=["jobs"],
        summary="List jobs",
        description="The newest first. In a list, `reason` of a queued job is empty: see the queue, or the job.",
        **listed(JobRead, JobQuery),
    )
    def get(self, request: Request) -> Response:
        pages = Keyset("-number")
        found = pages.page(shown(_filtered(person(request), query(JobQuery, request))), request)
        return pages.answer(JobRead(found, many=True).data)

    @extend_schema(
        tags=["jobs"],
        summary="Create a job",
        description="With an Idempotency-Key, the same body gives the first job again (200), and another body is a 422 "
        "with the code `idempotency_mismatch`. With `dry_run` nothing is written: 200 with the plan. A body that names a "
        "template, or a bundle as its app, makes a job in stages.",
        parameters=[
            KEY,
            OpenApiParameter(
                "Idempotent-Replay",
                str,
                OpenApiParameter.HEADER,
                response=[200],
                description="true: the first job again.",
            ),
            LOCATION,
        ],
        request=PolymorphicProxySerializer(
            "NewJob", serializers=[JobNew, bodies.StagedJobNew], resource_type_field_name=None
        ),
        responses={
            200: OpenApiResponse(
                PolymorphicProxySerializer(
                    "JobOrPlan",
                    serializers=[JobRead, PlanRead, bodies.StagedVerdict],
                    resource_type_field_name=None,
                ),
                description="The first job again, or the plan of a dry run.",
            ),
            201: JobRead,
        },
    )
    def post(self, request: Request) -> Response:
        body = self.body(request)
        app = submissions.named_app(bodies.app_name(body))
        if bodies.asks_for_stages(body, app):
            return self._in_stages(request)
        wanted = self.asked(JobNew, request)
        known = submissions.read(wanted, person(request), app)
        if wanted["dry_run"]:
            return Response(_rehearsed(person(request), known))
        key = key_of(request)
        done = services.submit(
            owner=person(request),
            version=known.version,
            submission=known.submission,
            team=known.team,
            priority=wanted["priority"],
            notify=wanted["notify"],
            rerun_safe=wanted["rerun_safe"],
            key=key,
            body_digest=submissions.digest_of(request.data) if key else "",
            via="api",
        )
        return _submitted(person(request), done)

    def _in_stages(self, request: Request) -> Response:
        user = person(request)
        asked = bodies.read_draft(self.body(request), user, bodies.StagedJobNew)
        if asked.body["dry_run"]:
            return Response(bodies.judge_or_refuse(asked.fan_out, user))
        key = key_of(request)
        done = services.fan_out.submit(
            owner=user,
            asked=asked.fan_out,
            team=asked.team,
            priority=asked.body["priority"],
            notify=asked.body["notify"],
            key=key,
            body_digest=submissions.digest_of(request.data) if key else "",
            via="api",
        )
        return _submitted(user, done)


def _submitted(user: User, done: services.Submitted) -> Response:
    headers = {"Idempotent-Replay": "true"} if done.replayed else {"Location": f"/api/v1/jobs/{done.job.number}"}
    job = find_job(user, done.job.number) if done.replayed or done.job.in_stages else done.job
    return Response(read(job), status=200 if done.replayed else 201, headers=headers)


def _filtered(user: User, asked: dict[str, Any]) -> QuerySet[Job]:
    match asked["whose"]:
        case "mine":
            rows = Job.objects.filter(owner=user)
        case "team":
            rows = Job.objects.filter(team_id__in=list(user.memberships.values_list("team_id", flat=True)))
        case _:
            rows = Job.objects.visible_to(user)
    if "state" in asked:
        rows = rows.filter(state__in=asked["state"])
    if "app" in asked:
        apps = App.objects.visible_to(user).filter(slug=asked["app"])
        rows = rows.filter(version_id__in=list(Version.objects.filter(app__in=apps).values_list("pk", flat=True)))
    if "label" in asked:
        rows = rows.filter(label__icontains=asked["label"])
    if "created_after" in asked:
        rows = rows.filter(created_at__gt=asked["created_after"])
    if "created_before" in asked:
        rows = rows.filter(created_at__lt=asked["created_before"])
    return rows


def _rehearsed(user: User, known: submissions.Asked) -> dict[str, Any]:
    preview = services.preview(owner=user, version=known.version, submission=known.submission)
    if preview.plan is None or preview.faults:
        raise Invalid.of(preview.faults, "launching")
    return submissions.planned(preview)


class JobView(PortalView):
    @extend_schema(
        tags=["jobs"],
        summary="Read a job",
        description="`connect` says what the job offers to connect to, whether it answers, and its public ports.",
        responses=JobFull,
    )
    def get(self, request: Request, number: int) -> Response:
        job = find_job(person(request), number)
        connect = JobFull(context={"viewer": person(request)}).get_connect(job)
        return Response({**represent(job), "connect": connect})


class JobCancel(PortalView):
    scopes: ClassVar = {"POST": "launch"}

    @extend_schema(
        tags=["jobs"],
        summary="Cancel a job",
        description="A queued job ends at once; a running one as soon as its host has stopped it.",
        request=None,
        responses=JobRead,
    )
    def post(self, request: Request, number: int) -> Response:
        user = person(request)
        services.cancel(job=find_job(user, number), actor=user)
        return Response(represent(find_job(user, number)))


class JobPause(PortalView):
    scopes: ClassVar = {"POST": "launch"}

    @extend_schema(
        tags=["jobs"],
        summary="Pause a job",
        description="A running job stands still on its host within seconds, with all it holds. Its time limit goes on "
        "counting. A 409 where it does not run.",
        request=None,
        responses=JobRead,
    )
    def post(self, request: Request, number: int) -> Response:
        user = person(request)
        services.pause(job=find_job(user, number), actor=user)
        return Response(represent(find_job(user, number)))


class JobResume(PortalView):
    scopes: ClassVar = {"POST": "launch"}

    @extend_schema(
        tags=["jobs"],
        summary="Resume a job",
        description="A paused job goes on where it stood. A 409 where it does not run.",
        request=None,
        responses=JobRead,
    )
    def post(self, request: Request, number: int) -> Response:
        user = person(request)
        services.resume(job=find_job(user, number), actor=user)
        return Response(represent(find_job(user, number)))


class JobRetry(PortalView):
    scopes: ClassVar = {"POST": "launch"}

    @extend_schema(
        tags=["jobs"],
        summary="Retry what failed",
        description="Of a job in stages that has ended: a new job that takes over what has finished, and runs only the rest. "
        "With an Idempotency-Key, asking again gives the same new job.",
        parameters=[KEY],
        request=None,
        responses={201: JobRead},
    )
    def post(self, request: Request, number: int) -> Response:
        user = person(request)
        made = services.fan_out.retry_failed(job=find_job(user, number), actor=user, key=key_of(request), via="api")
        headers = {"Location": f"/api/v1/jobs/{made.number}"}
        return Response(represent(find_job(user, made.number)), status=201, headers=headers)
