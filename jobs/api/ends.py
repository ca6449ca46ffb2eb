"""Sources and destinations over the API: tried before a job does, looked through; and addresses to send files to."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from jobs import upload_addresses, uploads
from jobs.api.files import FolderRead
from jobs.listing import LISTED_MAX
from jobs.services import ends
from portal.api.fields import Body, Text, Whole
from portal.api.views import PortalView, person

DATA_HELP = "As a job has it: `kind` and the fields of that kind."


class EndTestBody(Body):
    dataSource = serializers.DictField(required=False, help_text=DATA_HELP)  # noqa: N815 - the word of jobs
    dataDestination = serializers.DictField(required=False, help_text=DATA_HELP)  # noqa: N815

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if len(given) != 1:
            raise serializers.ValidationError("Send either dataSource or dataDestination.")
        return given


class VerdictRead(serializers.Serializer[ends.Verdict]):
    ok = serializers.BooleanField()
    message = serializers.CharField(help_text="What was found, or what is wrong and what to do.")
    code = serializers.CharField(allow_blank=True, help_text="Why it is not ok.")
    files = serializers.IntegerField(allow_null=True)
    size = serializers.IntegerField(allow_null=True, help_text="Of all together, in bytes; null where nobody says.")
    names = serializers.ListField(child=serializers.CharField(), help_text="The first of them.")


class EndTest(PortalView):
    scopes: ClassVar = {"POST": "launch"}

    @extend_schema(
        tags=["sources"],
        summary="Test a source or a destination",
        description="Asks the other side now. What it answers is a 200 with `ok`; a 422 says what is wrong with the source itself.",
        request=EndTestBody,
        responses=VerdictRead,
    )
    def post(self, request: Request) -> Response:
        given = self.asked(EndTestBody, request)
        if "dataSource" in given:
            return Response(VerdictRead(ends.test_source(given["dataSource"], person(request))).data)
        return Response(VerdictRead(ends.test_destination(given["dataDestination"], person(request))).data)


class EndListBody(Body):
    dataSource = serializers.DictField(help_text=f"A vault or a bucket. {DATA_HELP} `paths` is not needed.")  # noqa: N815
    path = Text(max_length=1024, default="", allow_blank=True, help_text="The folder.")
    search = Text(max_length=200, default="", allow_blank=True, help_text="Part of a name.")
    offset = Whole(min_value=0, max_value=LISTED_MAX, default=0)
    limit = Whole(min_value=1, max_value=1000, default=200)


class EndList(PortalView):
    scopes: ClassVar = {"POST": "launch"}

    @extend_schema(
        tags=["sources"],
        summary="List a folder of a source",
        description="To choose from what a vault or a bucket holds, before a job names it.",
        request=EndListBody,
        responses=FolderRead,
    )
    def post(self, request: Request) -> Response:
        asked = self.asked(EndListBody, request)
        return Response(FolderRead(ends.folder(asked.pop("dataSource"), person(request), **asked)).data)


class UploadAddressBody(Body):
    name = Text(max_length=255, help_text="What the file is called.")
    size = Whole(
        min_value=0, max_value=2**53, required=False, allow_null=True, help_text="In bytes, where it is known."
    )


class UploadAddressRead(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="pk", help_text="For `uploads` of a source of kind `file`.")
    name = serializers.CharField()
    url = serializers.SerializerMethodField(help_text="PUT the file here; no token is needed.")
    expires_at = serializers.DateTimeField()

    def get_url(self, upload: Any) -> str:
        return upload_addresses.address_of(upload)


class UploadAddresses(PortalView):
    scopes: ClassVar = {"POST": "launch"}

    @extend_schema(
        tags=["uploads"],
        summary="Get an address to send a file to",
        description=(
            "PUT the file to `url`, whole or in pieces, each with `Content-Range: bytes <first>-<last>/<size>`. "
            "GET says where it stands (`offset`), to go on after a cut. It is good for this one file until it is whole."
        ),
        request=UploadAddressBody,
        responses={201: UploadAddressRead},
    )
    def post(self, request: Request) -> Response:
        upload = uploads.begin(owner=person(request), **self.asked(UploadAddressBody, request))
        return Response(UploadAddressRead(upload).data, status=201)
