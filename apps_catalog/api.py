"""Apps over the API: find them, read their versions and schemas, import new ones."""

from __future__ import annotations

from dataclasses import asdict
from typing import ClassVar

from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps_catalog import search, services
from apps_catalog.forms import FIELD_OF
from apps_catalog.launch.spec import Fault
from apps_catalog.models import App, Version
from apps_catalog.serializers import (
    AppDetail,
    AppQuery,
    AppRead,
    EulaAccept,
    EulaRead,
    Imported,
    ImportNew,
    SchemaRead,
    VersionRead,
    schemas_of,
)
from portal.api.pages import Keyset, listed, query
from portal.api.views import PortalView, person
from portal.errors import Invalid, NotFound, PortalError
from portal.people.models import User


def find_app(user: User, slug: str) -> App:
    """The app, if this person may see it."""
    app = App.objects.visible_to(user).for_lists().filter(slug=slug).first()
    if app is None:
        raise NotFound(f"There is no app '{slug}' that you may see. Apps are listed at /api/v1/apps.")
    return app


def versions_of(user: User, app: App) -> QuerySet[Version]:
    """Its versions, the newest first; drafts are for curators."""
    rows = app.versions.order_by("-id")
    return rows if user.curates else rows.exclude(state=Version.State.DRAFT)


def find_version(user: User, slug: str, label: str) -> Version:
    app = find_app(user, slug)
    version = versions_of(user, app).filter(label=label).first()
    if version is None:
        raise NotFound(f"The app '{slug}' has no version '{label}'. Its versions are listed at /api/v1/apps/{slug}.")
    version.app = app
    return version


class Apps(PortalView):
    scopes: ClassVar = {"POST": "curate"}

    @extend_schema(tags=["apps"], summary="List apps", **listed(AppRead, AppQuery))
    def get(self, request: Request) -> Response:
        asked = query(AppQuery, request)
        rows = App.objects.visible_to(person(request)).for_lists()
        if "q" in asked:
            rows = search.find(rows, asked["q"])
        if "category" in asked:
            rows = rows.in_category(asked["category"])
        pages = Keyset("name", "slug")
        found = pages.page(rows, request)
        return pages.answer(AppRead(found, many=True).data)

    @extend_schema(
        tags=["apps"],
        summary="Import a definition",
        description="Makes an app, or a version of one, as a draft. What is wrong with a definition is a 422 whose "
        "`errors` point into it; nothing is written then.",
        request=ImportNew,
        responses={200: Imported, 201: Imported},
    )
    def post(self, request: Request) -> Response:
        wanted = self.asked(ImportNew, request)
        try:
            done = services.import_definition(
                text=wanted["definition"],
                actor=person(request),
                image=wanted["image"],
                slug=wanted["slug"],
                label=wanted["label"],
                dry_run=wanted["dry_run"],
            )
        except PortalError as refusal:
            raise _placed(refusal) from refusal
        if not done.reading.ok:
            wrong = [finding for finding in done.reading.findings if finding.level == "error"]
            raise Invalid(
                "The definition can't be imported. Mend what `errors` lists, and send it again.", faults=wrong
            )
        answer = {
            "created": done.created,
            "app": done.app.slug if done.app else None,
            "version": done.version.label if done.version else None,
            "findings": [asdict(finding) for finding in done.reading.findings],
        }
        return Response(answer, status=201 if done.created else 200)


def _placed(refusal: PortalError) -> PortalError:
    """The refusal with its place in the body, where it is about one field."""
    if refusal.code in FIELD_OF:
        refusal.faults = (Fault(f"/{FIELD_OF[refusal.code]}", refusal.code, refusal.message),)
    return refusal


class AppView(PortalView):
    @extend_schema(tags=["apps"], summary="Read an app", responses=AppDetail)
    def get(self, request: Request, slug: str) -> Response:
        app = find_app(person(request), slug)
        versions = versions_of(person(request), app).only("label", "state", "published_at")
        return Response(AppDetail(app, context={"versions": versions, "user": person(request)}).data)


class AppEula(PortalView):
    scopes: ClassVar = {"POST": "launch"}

    @extend_schema(
        tags=["apps"],
        summary="Agree to licence terms",
        description="Once for each person and wording. Terms that changed since they were read are a 409.",
        request=EulaAccept,
        responses={200: EulaRead},
    )
    def post(self, request: Request, slug: str) -> Response:
        user = person(request)
        app = find_app(user, slug)
        asked = self.asked(EulaAccept, request)
        label, version = asked["version"], app.default_version
        if label or version is None:
            version = find_version(user, slug, label)
        version.app = app
        services.accept_eula(user=user, version=version, digest=asked["digest"])
        return Response({"text": version.eula, "digest": services.eula_digest(version), "accepted": True})


class VersionView(PortalView):
    @extend_schema(tags=["apps"], summary="Read a version", responses=VersionRead)
    def get(self, request: Request, slug: str, label: str) -> Response:
        return Response(VersionRead(find_version(person(request), slug, label)).data)


class VersionSchema(PortalView):
    @extend_schema(
        tags=["apps"],
        summary="Read the JSON Schema of every command",
        description="What `parameters` of a job of this version may be, by command.",
        responses=SchemaRead,
    )
    def get(self, request: Request, slug: str, label: str) -> Response:
        version = find_version(person(request), slug, label)
        answer = {"app": slug, "version": label, "digest": version.digest, "commands": schemas_of(version)}
        return Response(answer)


urlpatterns = [
    path("apps", Apps.as_view(), name="apps"),
    path("apps/<slug:slug>", AppView.as_view(), name="app"),
    path("apps/<slug:slug>/eula", AppEula.as_view(), name="app-eula"),
    path("apps/<slug:slug>/versions/<str:label>", VersionView.as_view(), name="version"),
    path("apps/<slug:slug>/versions/<str:label>/schema", VersionSchema.as_view(), name="version-schema"),
]
