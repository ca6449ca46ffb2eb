"""Bundles over the API: push one, take it home again, let it take jobs or not."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from typing import Any, ClassVar

from django.conf import settings
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response

from apps_catalog import services
from apps_catalog.launch.bundle_files import IN_MEMORY_BYTES
from apps_catalog.launch.spec import Fault, Finding
from apps_catalog.serializers import FindingRead, VersionRead
from apps_catalog.services import bundle_store, tags_of
from apps_catalog.services.reading_rights import readable_version
from portal.api.pages import query
from portal.api.views import PortalView, person
from portal.bodies import body_pieces
from portal.downloads import Attachment
from portal.errors import Invalid, TooLarge

BYTES = {"application/octet-stream": OpenApiTypes.BINARY}


class PushQuery(serializers.Serializer[Any]):
    activate = serializers.BooleanField(default=False, help_text="Let it take jobs at once.")
    dry_run = serializers.BooleanField(default=False, help_text="Only look it over and say what was found.")


class FileRead(serializers.Serializer[Any]):
    path = serializers.CharField()
    size = serializers.IntegerField()


class Pushed(serializers.Serializer[Any]):
    created = serializers.BooleanField(help_text="A new version.")
    replaced = serializers.BooleanField(help_text="The files of a version that no job had used.")
    app = serializers.CharField(help_text="The name in the manifest, which is permanent.")
    role = serializers.ChoiceField(choices=("app", "partitioner", "assembler"))
    version = serializers.CharField()
    state = serializers.CharField(
        help_text="draft, published (it takes jobs) or retired; empty in a dry run of a new one."
    )
    tags = serializers.ListField(child=serializers.CharField(), help_text="What it is called now.")
    findings = FindingRead(many=True)
    files = FileRead(many=True)


class Bundles(PortalView):
    scopes: ClassVar = {"POST": "curate"}
    parser_classes = ()

    @extend_schema(
        tags=["apps"],
        summary="Push a ByteNite bundle",
        description="The body is the archive: zip or tar (plain, gz, bz2, xz), of an app, a partitioner or an assembler. What "
        "is wrong with it is a 422 whose `errors` name the file, line and column; nothing is written then. The same "
        "version again takes the place of the one that is there, unless a job used that: 409. A registry login in the "
        "manifest becomes a secret of yours, and is stored nowhere else.",
        parameters=[PushQuery],
        request=BYTES,
        responses={200: Pushed, 201: Pushed},
    )
    def post(self, request: Request) -> Response:
        asked = query(PushQuery, request)
        if (request.content_type or "").startswith("multipart/"):
            said = "Send the bytes of the archive alone as the body, as application/octet-stream."
            raise UnsupportedMediaType("multipart/form-data", said)
        most = settings.BUNDLE_LIMIT_MIB * 2**20
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as file:
            size = 0
            for piece in body_pieces(request._request):
                size += len(piece)
                if size > most:
                    raise TooLarge(f"A bundle may have {settings.BUNDLE_LIMIT_MIB} MiB. Put libraries into the image.")
                file.write(piece)
            done = services.import_bundle(
                read=services.from_archive(file),
                actor=person(request),
                activate=asked["activate"],
                dry_run=asked["dry_run"],
            )
        if done.reading.spec is None:
            wrong = [_placed(finding) for finding in done.reading.findings if finding.level == "error"]
            raise Invalid("The bundle can't be imported. Mend what `errors` lists, and push it again.", faults=wrong)
        spec, version = done.reading.spec, done.version
        answer = {
            "created": done.created,
            "replaced": done.replaced,
            "app": spec.name,
            "role": spec.role,
            "version": f"{spec.major}.{spec.minor}",
            "state": version.state if version else "",
            "tags": tags_of(version) if version else [],
            "findings": [asdict(finding) for finding in done.reading.findings],
            "files": [{"path": path, "size": size} for path, size in done.files.items()],
        }
        return Response(answer, status=201 if done.created else 200)


def _placed(finding: Finding) -> Fault:
    """The finding with its file and place in words, where the words don't say them already."""
    place = finding.file
    if finding.line and not finding.message.startswith("Line "):
        place += f" line {finding.line}, column {finding.column}"
    return Fault(finding.pointer, finding.code, f"{place}: {finding.message}" if place else finding.message)


class BundleDownload(PortalView):
    @extend_schema(
        tags=["apps"],
        summary="Download a bundle",
        description="The zip of a version: the files as they were pushed, without a registry login.",
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, slug: str, label: str) -> Attachment:
        version = readable_version(person(request), slug, label)
        return Attachment(bundle_store.opened(version), f"{version.app.slug}-{version.label}.zip")


class Activate(PortalView):
    scopes: ClassVar = {"POST": "curate"}

    @extend_schema(
        tags=["apps"],
        summary="Activate a version",
        description="It takes jobs from then on; in the catalog's words it is published. One that is active stays so.",
        request=None,
        responses={200: VersionRead},
    )
    def post(self, request: Request, slug: str, label: str) -> Response:
        version = readable_version(person(request), slug, label)
        return Response(VersionRead(services.publish(version=version, actor=person(request))).data)


class Deactivate(PortalView):
    scopes: ClassVar = {"POST": "curate"}

    @extend_schema(
        tags=["apps"],
        summary="Deactivate a version",
        description="It takes no jobs any more; those that run go on. Activating it brings it back.",
        request=None,
        responses={200: VersionRead},
    )
    def post(self, request: Request, slug: str, label: str) -> Response:
        version = readable_version(person(request), slug, label)
        return Response(VersionRead(services.retire(version=version, actor=person(request))).data)


VERSION = "apps/<slug:slug>/versions/<str:label>"
urlpatterns = [
    path("bundles", Bundles.as_view(), name="bundles"),
    path(f"{VERSION}/bundle", BundleDownload.as_view(), name="bundle"),
    path(f"{VERSION}/activate", Activate.as_view(), name="activate"),
    path(f"{VERSION}/deactivate", Deactivate.as_view(), name="deactivate"),
]
