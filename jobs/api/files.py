"""Vaults and uploads over the API: bytes go in and out as they are, never as a form and never whole in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, ClassVar

from django.conf import settings
from django.utils.http import parse_header_parameters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response

from jobs import uploads, vaults
from jobs.listing import LISTED_MAX, SORTS, Entry, Listing
from jobs.models import Upload, Vault
from jobs.safe_paths import PathRefused
from jobs.views.downloads import Attachment
from portal.api.pages import Keyset, listed, query
from portal.api.views import PortalView, person
from portal.bodies import body_pieces
from portal.errors import NotFound

BYTES = {"application/octet-stream": OpenApiTypes.BINARY}


class VaultRead(serializers.ModelSerializer[Vault]):
    team = serializers.CharField(
        source="team.slug", allow_null=True, default=None, help_text="null: it is yours alone."
    )
    default = serializers.SerializerMethodField(
        "is_default", help_text="Your launches take it where nothing else is said."
    )
    held_by = serializers.IntegerField(
        source="held_by_id", allow_null=True, help_text="Number of the job that has a vault of one job at a time."
    )
    quota_bytes = serializers.SerializerMethodField(help_text="null: no limit.")

    class Meta:
        model = Vault
        fields: ClassVar = (
            "name",
            "type",
            "team",
            "default",
            "held_by",
            "used_bytes",
            "quota_bytes",
            "created_at",
        )
        read_only_fields = fields

    def is_default(self, vault: Vault) -> bool:
        return bool(vault.pk == self.context["default"].pk)

    def get_quota_bytes(self, vault: Vault) -> int | None:
        return vaults.quota_bytes(vault)


class EntryRead(serializers.Serializer[Entry]):
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=("file", "folder", "skipped"))
    size = serializers.IntegerField()
    mtime = serializers.DateTimeField()
    skipped = serializers.CharField(allow_blank=True, help_text="Why it can't be opened; empty when it can.")


class FolderQuery(serializers.Serializer[Any]):
    search = serializers.CharField(max_length=200, default="", allow_blank=True, help_text="Part of a name.")
    sort = serializers.ChoiceField(choices=SORTS, default="name")
    offset = serializers.IntegerField(min_value=0, max_value=LISTED_MAX, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=1000, default=200)


class FolderRead(serializers.Serializer[Listing]):
    path = serializers.CharField(allow_blank=True)
    entries = EntryRead(many=True)
    total = serializers.IntegerField(help_text="Of all that fits, on this page or not.")
    cut = serializers.BooleanField(help_text="The folder holds more names than are read.")


class PutQuery(serializers.Serializer[Any]):
    replace = serializers.BooleanField(default=True, help_text="false: a file that is there is a 409.")


class UploadQuery(serializers.Serializer[Any]):
    name = serializers.CharField(
        max_length=255, required=False, help_text="Name of the file; or in Content-Disposition, as filename."
    )


class UploadRead(serializers.ModelSerializer[Upload]):
    class Meta:
        model = Upload
        fields: ClassVar = ("id", "name", "size", "sha256", "created_at", "expires_at")
        read_only_fields = fields


def raw_chunks(request: Request) -> Iterator[bytes]:
    """The body as it comes. Raises UnsupportedMediaType for a form, whose bytes are not the file's."""
    if (request.content_type or "").startswith("multipart/"):
        raise UnsupportedMediaType(
            "multipart/form-data", "Send the bytes of the file alone as the body, as application/octet-stream."
        )
    return body_pieces(request._request)


class Vaults(PortalView):
    @extend_schema(tags=["files"], summary="List vaults", **listed(VaultRead))
    def get(self, request: Request) -> Response:
        context = {"default": vaults.default_vault(person(request))}
        pages = Keyset("name")
        found = pages.page(Vault.objects.visible_to(person(request)).select_related("team"), request)
        return pages.answer(VaultRead(found, many=True, context=context).data)


class VaultDefault(PortalView):
    scopes: ClassVar = {"PUT": "launch"}

    @extend_schema(tags=["files"], summary="Make a vault your default", request=None, responses=VaultRead)
    def put(self, request: Request, name: str) -> Response:
        vault = vaults.visible_vault(person(request), name)
        vaults.make_default(person(request), vault)
        return Response(VaultRead(vault, context={"default": vault}).data)


class VaultFolder(PortalView):
    @extend_schema(
        tags=["files"], summary="List the top folder of a vault", parameters=[FolderQuery], responses=FolderRead
    )
    def get(self, request: Request, name: str) -> Response:
        vault = vaults.visible_vault(person(request), name)
        return Response(FolderRead(vaults.list_folder(vault, **query(FolderQuery, request))).data)


class VaultFiles(PortalView):
    scopes: ClassVar = {"PUT": "launch", "POST": "launch", "DELETE": "launch"}
    parser_classes = ()

    @extend_schema(
        tags=["files"],
        summary="List a folder, or download a file",
        parameters=[FolderQuery],
        responses={
            (200, "application/json"): FolderRead,
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
        },
    )
    def get(self, request: Request, name: str, path: str) -> Response | Attachment:
        vault = vaults.visible_vault(person(request), name)
        try:
            listing = vaults.list_folder(vault, path, **query(FolderQuery, request))
        except (PathRefused, NotFound):  # no folder: then a file, or refused for good
            return Attachment(vaults.open_file(vault, path), PurePosixPath(path).name)
        return Response(FolderRead(listing).data)

    @extend_schema(
        tags=["files"],
        summary="Write a file",
        description="The body is the file. It is there whole or not at all.",
        parameters=[PutQuery],
        request=BYTES,
        responses=EntryRead,
    )
    def put(self, request: Request, name: str, path: str) -> Response:
        vault = vaults.visible_vault(person(request), name)
        replace: bool = query(PutQuery, request)["replace"]
        return Response(EntryRead(vaults.save_file(vault, path, raw_chunks(request), replace=replace)).data)

    @extend_schema(
        tags=["files"],
        summary="Make a folder",
        request=None,
        responses={201: OpenApiResponse(description="It is there now.")},
    )
    def post(self, request: Request, name: str, path: str) -> Response:
        vaults.make_folder(vaults.visible_vault(person(request), name), path)
        return Response(status=201)

    @extend_schema(
        tags=["files"],
        summary="Delete a file or a folder with all it holds",
        responses={204: OpenApiResponse(description="It is gone.")},
    )
    def delete(self, request: Request, name: str, path: str) -> Response:
        vaults.delete(vaults.visible_vault(person(request), name), path)
        return Response(status=204)


class Uploads(PortalView):
    scopes: ClassVar = {"POST": "launch"}
    parser_classes = ()

    @extend_schema(tags=["uploads"], summary="List uploads", **listed(UploadRead))
    def get(self, request: Request) -> Response:
        pages = Keyset("-created_at", "-id")
        found = pages.page(Upload.objects.filter(owner=person(request), complete=True), request)
        return pages.answer(UploadRead(found, many=True).data)

    @extend_schema(
        tags=["uploads"],
        summary="Upload a file for a parameter",
        description='The body is the file. Use it as the value of an UPLOAD parameter: `{"upload": "<id>"}`.',
        parameters=[UploadQuery, OpenApiParameter("Content-Disposition", str, OpenApiParameter.HEADER)],
        request=BYTES,
        responses={201: UploadRead},
    )
    def post(self, request: Request) -> Response:
        name = query(UploadQuery, request).get("name") or _name_in_header(request)
        limit = settings.UPLOAD_LIMIT_MIB * 2**20
        upload = uploads.receive(owner=person(request), name=name, chunks=raw_chunks(request), limit_bytes=limit)
        return Response(UploadRead(upload).data, status=201)


def _name_in_header(request: Request) -> str:
    _, parameters = parse_header_parameters(request.headers.get("Content-Disposition", ""))
    return str(parameters.get("filename") or "file")


class UploadView(PortalView):
    @extend_schema(tags=["uploads"], summary="Read an upload", responses=UploadRead)
    def get(self, request: Request, pk: str) -> Response:
        upload = Upload.objects.filter(owner=person(request), complete=True, pk=pk).first()
        if upload is None:
            raise NotFound("You have no such upload; it may have expired. Upload the file again.")
        return Response(UploadRead(upload).data)
