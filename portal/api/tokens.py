"""Tokens over the API: list one's own, make one (its text is shown once), revoke one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.fields import Body, Text, Whole
from portal.api.pages import Keyset, listed
from portal.api.views import PortalView, person
from portal.errors import Forbidden
from portal.people import tokens
from portal.people.models import SCOPES, ApiToken

DAYS_MAX = 3650


class TokenRead(serializers.ModelSerializer[ApiToken]):
    class Meta:
        model = ApiToken
        fields: ClassVar[tuple[str, ...]] = (
            "id",
            "name",
            "prefix",
            "scopes",
            "created_at",
            "expires_at",
            "last_used_at",
            "revoked_at",
        )
        read_only_fields: ClassVar[tuple[str, ...]] = fields


class TokenMade(TokenRead):
    text = serializers.CharField(read_only=True, help_text="The token itself. It is shown this once only.")

    class Meta(TokenRead.Meta):
        fields: ClassVar[tuple[str, ...]] = (*TokenRead.Meta.fields, "text")
        read_only_fields: ClassVar[tuple[str, ...]] = fields


class TokenNew(Body):
    name = Text(max_length=120, help_text="What it is for, to tell it from others.")
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=SCOPES), min_length=1, max_length=len(SCOPES), help_text="What it may do."
    )
    days = Whole(
        min_value=1, max_value=DAYS_MAX, required=False, help_text="Days until it expires; never, if left out."
    )


class Tokens(PortalView):
    scopes: ClassVar = {"POST": "launch"}

    @extend_schema(tags=["tokens"], summary="List your tokens", **listed(TokenRead))
    def get(self, request: Request) -> Response:
        pages = Keyset("-id")
        rows = pages.page(ApiToken.objects.filter(user=person(request), job_number=None), request)
        return pages.answer(TokenRead(rows, many=True).data)

    @extend_schema(
        tags=["tokens"],
        summary="Make a token",
        description="A token made with a token has no more scopes than that one, and lives no longer.",
        request=TokenNew,
        responses={201: TokenMade},
    )
    def post(self, request: Request) -> Response:
        wanted = self.asked(TokenNew, request)
        if isinstance(request.auth, ApiToken):
            _within(request.auth, wanted)
        token, text = tokens.issue(
            user=person(request),
            name=wanted["name"],
            scopes=wanted["scopes"],
            days=wanted.get("days"),
            request=request._request,
        )
        return Response({**TokenRead(token).data, "text": text}, status=201)


def _within(by: ApiToken, wanted: dict[str, Any]) -> None:
    """A token hands on no more than it has. Raises Forbidden."""
    if beyond := sorted(set(wanted["scopes"]) - set(by.scopes)):
        raise Forbidden(f"The token used here lacks the scope '{beyond[0]}', so it can't hand it on.")
    if by.expires_at is None:
        return
    if "days" not in wanted or timezone.now() + timedelta(days=wanted["days"]) > by.expires_at:
        raise Forbidden(
            f"The token used here expires {by.expires_at:%Y-%m-%d %H:%M} UTC; ask for fewer days than that."
        )


class Token(PortalView):
    scopes: ClassVar = {"DELETE": "launch"}

    @extend_schema(
        tags=["tokens"],
        summary="Revoke a token",
        request=None,
        responses={204: OpenApiResponse(description="Revoked; also if it already was.")},
    )
    def delete(self, request: Request, pk: int) -> Response:
        tokens.revoke(user=person(request), pk=pk, request=request._request)
        return Response(status=204)
