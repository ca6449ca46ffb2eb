"""Drafts of jobs in stages over the API: made, changed, judged, run, copied, deleted."""

from __future__ import annotations

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api import fan_out_bodies as bodies
from jobs.api import submissions
from jobs.api.headers import KEY, LOCATION, key_of
from jobs.api.jobs import find_job, represent, shown
from jobs.models import Job
from jobs.serializers import JobRead
from jobs.services import fan_out
from jobs.states import JobState
from portal.api.pages import Keyset, listed
from portal.api.views import PortalView, person
from portal.errors import NotFound
from portal.people.models import User


def find_draft(user: User, number: int) -> Job:
    """The draft, if this person may see it. A job that runs is none any more."""
    rows = shown(Job.objects.visible_to(user).filter(state=JobState.DRAFT, in_stages=True)).select_related("template")
    job = rows.filter(number=number).first()
    if job is None:
        raise NotFound(f"There is no draft {number} that you may see. Your drafts are listed at /api/v1/drafts.")
    return job


class Drafts(PortalView):
    scopes: ClassVar = {"POST": "launch"}

    @extend_schema(
        tags=["drafts"], summary="List drafts", description="Your own, the newest first.", **listed(bodies.DraftRead)
    )
    def get(self, request: Request) -> Response:
        pages = Keyset("-number")
        rows = Job.objects.filter(owner=person(request), state=JobState.DRAFT, in_stages=True)
        found = pages.page(shown(rows).select_related("template"), request)
        return pages.answer([bodies.show_draft(job, person(request)) for job in found])

    @extend_schema(
        tags=["drafts"],
        summary="Draft a job in stages",
        description="From a template, or from an app. It may be unfinished; nothing runs, and it counts in no limit. "
        "With an Idempotency-Key, the same body gives the first draft again.",
        parameters=[KEY, LOCATION],
        request=bodies.DraftNew,
        responses={201: bodies.DraftRead},
    )
    def post(self, request: Request) -> Response:
        user = person(request)
        asked = bodies.read_draft(self.body(request), user)
        key = key_of(request)
        job = fan_out.draft(
            owner=user,
            asked=asked.fan_out,
            team=asked.team,
            priority=asked.body["priority"],
            notify=asked.body["notify"],
            key=key,
            body_digest=submissions.digest_of(request.data) if key else "",
            via="api",
        )
        headers = {"Location": f"/api/v1/drafts/{job.number}"}
        return Response(bodies.show_draft(job, user), status=201, headers=headers)


class DraftView(PortalView):
    scopes: ClassVar = {"PATCH": "launch", "DELETE": "launch"}

    @extend_schema(tags=["drafts"], summary="Read a draft", responses=bodies.DraftRead)
    def get(self, request: Request, number: int) -> Response:
        user = person(request)
        return Response(bodies.show_draft(find_draft(user, number), user))

    @extend_schema(
        tags=["drafts"],
        summary="Change parts of a draft",
        description="A part that is sent takes the place of the old one whole.",
        request=bodies.DraftChange,
        responses=bodies.DraftRead,
    )
    def patch(self, request: Request, number: int) -> Response:
        user = person(request)
        job = find_draft(user, number)
        parts, strict = bodies.read_change(self.body(request), user)
        fan_out.change(job=job, actor=user, strict=strict, **parts)
        return Response(bodies.show_draft(find_draft(user, number), user))

    @extend_schema(tags=["drafts"], summary="Delete a draft", responses={204: None})
    def delete(self, request: Request, number: int) -> Response:
        user = person(request)
        fan_out.delete_draft(job=find_draft(user, number), actor=user)
        return Response(status=204)


class DraftCheck(PortalView):
    @extend_schema(
        tags=["drafts"],
        summary="Judge a draft",
        description="All faults at once, or the three stages as they would run. Nothing is written.",
        request=None,
        responses=bodies.StagedVerdict,
    )
    def post(self, request: Request, number: int) -> Response:
        return Response(bodies.verdict_on(fan_out.judge(find_draft(person(request), number))))


class DraftRun(PortalView):
    scopes: ClassVar = {"POST": "launch"}

    @extend_schema(
        tags=["drafts"],
        summary="Run a draft",
        description="With an Idempotency-Key, asking again gives the job that runs already.",
        parameters=[KEY, LOCATION],
        request=bodies.RunNew,
        responses={201: JobRead},
    )
    def post(self, request: Request, number: int) -> Response:
        user = person(request)
        asked = self.asked(bodies.RunNew, request)
        job = fan_out.run(
            job=find_job(user, number),
            actor=user,
            config=asked.get("config"),
            key=key_of(request),
            via="api",
        )
        headers = {"Location": f"/api/v1/jobs/{job.number}"}
        return Response(represent(find_job(user, job.number)), status=201, headers=headers)


class JobDuplicate(PortalView):
    scopes: ClassVar = {"POST": "launch"}

    @extend_schema(
        tags=["drafts"],
        summary="Duplicate a job in stages",
        description="A new draft that asks for the same, whether the job ran or not.",
        request=None,
        parameters=[LOCATION],
        responses={201: bodies.DraftRead},
    )
    def post(self, request: Request, number: int) -> Response:
        user = person(request)
        made = fan_out.duplicate(job=find_job(user, number), actor=user, via="api")
        headers = {"Location": f"/api/v1/drafts/{made.number}"}
        return Response(bodies.show_draft(find_draft(user, made.number), user), status=201, headers=headers)
