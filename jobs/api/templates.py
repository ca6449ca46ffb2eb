"""Job templates over the API."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import Q
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps_catalog.launch.spec import Fault
from jobs.api import fan_out_bodies as bodies
from jobs.api import submissions
from jobs.api.headers import LOCATION
from jobs.models import JobTemplate
from jobs.services import templates
from portal.api.pages import Keyset, listed, query
from portal.api.views import PortalView, person
from portal.errors import Invalid
from portal.people.models import User


def _parts(body: dict[str, Any], user: User) -> dict[str, Any]:
    """The parts of a template that a body names. Raises Invalid for a team that the person is not in."""
    parts = templates.parts_of(body)
    faults: list[Fault] = []
    if "team" in body:
        parts["team"] = submissions.team_of(user, body["team"], faults)
    if faults:
        raise Invalid.of(faults)
    return parts | ({"everyone": body["everyone"]} if "everyone" in body else {})


class Templates(PortalView):
    scopes: ClassVar = {"POST": "launch"}

    @extend_schema(
        tags=["templates"], summary="List job templates", **listed(bodies.TemplateRead, bodies.TemplateQuery)
    )
    def get(self, request: Request) -> Response:
        user = person(request)
        asked = query(bodies.TemplateQuery, request)
        rows = JobTemplate.objects.visible_to(user) if asked["whose"] == "all" else user.job_templates.all()
        if text := asked.get("q"):
            rows = rows.filter(Q(slug__icontains=text) | Q(name__icontains=text) | Q(description__icontains=text))
        if app := asked.get("app"):
            rows = rows.filter(Q(app=app) | Q(app__startswith=f"{app}@"))
        pages = Keyset("slug")
        found = pages.page(rows.select_related("owner", "team"), request)
        return pages.answer(bodies.TemplateRead(found, many=True, context={"viewer": user}).data)

    @extend_schema(
        tags=["templates"],
        summary="Make a job template",
        parameters=[LOCATION],
        request=bodies.TemplateNew,
        responses={201: bodies.TemplateRead},
    )
    def post(self, request: Request) -> Response:
        user = person(request)
        made = templates.create_template(owner=user, **_parts(self.asked(bodies.TemplateNew, request), user))
        headers = {"Location": f"/api/v1/templates/{made.slug}"}
        return Response(bodies.TemplateRead(made, context={"viewer": user}).data, status=201, headers=headers)


class TemplateView(PortalView):
    scopes: ClassVar = {"PATCH": "launch", "DELETE": "launch"}

    @extend_schema(tags=["templates"], summary="Read a job template", responses=bodies.TemplateRead)
    def get(self, request: Request, slug: str) -> Response:
        user = person(request)
        found = templates.find_template(user, slug)
        return Response(bodies.TemplateRead(found, context={"viewer": user}).data)

    @extend_schema(
        tags=["templates"],
        summary="Change a job template",
        description="A part that is sent takes the place of the old one whole.",
        request=bodies.TemplateParts,
        responses=bodies.TemplateRead,
    )
    def patch(self, request: Request, slug: str) -> Response:
        user = person(request)
        template = templates.find_template(user, slug)
        body = self.asked(bodies.TemplateParts, request)
        if body.pop("id", slug) != slug:
            said = "An id stays as it is. Make another template with the new one."
            raise Invalid(said, faults=[Fault("/id", "fixed", said)])
        changed = templates.change_template(template=template, actor=user, **_parts(body, user))
        return Response(bodies.TemplateRead(changed, context={"viewer": user}).data)

    @extend_schema(tags=["templates"], summary="Delete a job template", responses={204: None})
    def delete(self, request: Request, slug: str) -> Response:
        user = person(request)
        templates.delete_template(template=templates.find_template(user, slug), actor=user)
        return Response(status=204)
