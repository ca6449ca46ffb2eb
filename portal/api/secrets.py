"""Secrets over the API: list names and kinds, set, replace and delete them. What they hold is in no answer."""

from __future__ import annotations

from typing import ClassVar

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.fields import Body, Text
from portal.api.pages import Keyset, listed
from portal.api.views import PortalView, person
from portal.people import sealing, secrets
from portal.people.models import Secret, Team, User


class SecretRead(serializers.ModelSerializer[Secret]):
    team = serializers.CharField(source="team.slug", allow_null=True, default=None, help_text="null: yours alone.")

    class Meta:
        model = Secret
        fields: ClassVar[tuple[str, ...]] = ("id", "name", "kind", "team", "updated_at")
        read_only_fields: ClassVar[tuple[str, ...]] = fields


def _part(words: str) -> Text:
    return Text(
        required=False,
        max_length=sealing.VALUE_BYTES_MAX,
        trim_whitespace=False,
        write_only=True,
        help_text=f"{words}. Never in an answer.",
    )


class SecretParts(Body):
    value = _part("Of the kind `value`")
    access_key = _part("Of the kind `keys`")
    secret_key = _part("Of the kind `keys`")
    registry = _part("Of the kind `registry`: its host")
    username = _part("Of the kind `registry`")
    password = _part("Of the kind `registry`: password or token")


class SecretNew(SecretParts):
    name = Text(max_length=64, help_text="As manifests write it: letters, digits, '_', '-', '.', no digit first.")
    kind = serializers.ChoiceField(choices=Secret.Kind.choices)
    team = Text(
        max_length=60,
        required=False,
        default="",
        allow_blank=True,
        help_text="Slug of a team of yours. Empty: yours alone.",
    )


class Secrets(PortalView):
    scopes: ClassVar = {"POST": "launch"}

    @extend_schema(tags=["secrets"], summary="List your secrets and your teams'", **listed(SecretRead))
    def get(self, request: Request) -> Response:
        pages = Keyset("name", "id")
        rows = pages.page(secrets.visible_to(person(request)).order_by(), request)
        return pages.answer(SecretRead(rows, many=True).data)

    @extend_schema(
        tags=["secrets"],
        summary="Set a secret",
        description="A name that is taken is a 409: replace that one with PUT.",
        request=SecretNew,
        responses={201: SecretRead},
    )
    def post(self, request: Request) -> Response:
        wanted = self.asked(SecretNew, request)
        me = person(request)
        name, kind, slug = wanted.pop("name"), wanted.pop("kind"), wanted.pop("team")
        team = _team(me, slug) if slug else None
        made = secrets.set_secret(
            name=name,
            kind=kind,
            parts=wanted,
            user=None if team else me,
            team=team,
            actor=me,
            replace=False,
            request=request._request,
        )
        return Response(SecretRead(made).data, status=201)


def _team(user: User, slug: str) -> Team:
    team = user.team(slug)
    if team is None:
        raise serializers.ValidationError(
            {"team": "You are in no team of this slug. Leave it out for a secret of yours."}
        )
    return team


class SecretView(PortalView):
    scopes: ClassVar = {"PUT": "launch", "DELETE": "launch"}

    @extend_schema(
        tags=["secrets"],
        summary="Replace what a secret holds",
        description="Its name and kind stay. Tasks that start from then on are given the new one.",
        request=SecretParts,
        responses={200: SecretRead},
    )
    def put(self, request: Request, pk: int) -> Response:
        row = secrets.find(person(request), pk)
        done = secrets.set_secret(
            name=row.name,
            kind=row.kind,
            parts=self.asked(SecretParts, request),
            user=row.user,
            team=row.team,
            actor=person(request),
            request=request._request,
        )
        return Response(SecretRead(done).data)

    @extend_schema(
        tags=["secrets"],
        summary="Delete a secret",
        request=None,
        responses={204: OpenApiResponse(description="It is gone. Jobs that need it fail, and say so.")},
    )
    def delete(self, request: Request, pk: int) -> Response:
        row = secrets.find(person(request), pk)
        secrets.delete_secret(secret=row, actor=person(request), request=request._request)
        return Response(status=204)
