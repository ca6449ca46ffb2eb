"""Keyset paging: a page starts after the last row of the one before, so that page 10,000 costs what page 1 does."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import IntegerField, Model, Q, QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from portal.errors import PortalError

PAGE = 50
PAGE_MAX = 200
BAD_CURSOR = "This cursor is not one of ours. Start again without it, or take `next` as it was given."


class PageQuery(serializers.Serializer[Any]):
    """What every list understands."""

    limit = serializers.IntegerField(
        min_value=1, max_value=PAGE_MAX, default=PAGE, help_text="How many items a page holds."
    )
    cursor = serializers.CharField(max_length=2000, required=False, help_text="Where the page starts; see `next`.")


class Page(serializers.Serializer[Any]):
    """The frame of every list; `listed` puts the items in."""

    next = serializers.URLField(allow_null=True, help_text="Address of the next page; null on the last one.")


class Keyset:
    """Pages over unique `keys` of the rows, a minus for descending: ("-number",) or ("name", "slug")."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys
        self.next_url: str | None = None

    def page(self, queryset: QuerySet[Any], request: Request) -> list[Any]:
        """The rows of the page that `cursor` and `limit` of the request name. One query."""
        asked = query(PageQuery, request)
        limit: int = asked["limit"]
        rows = queryset.order_by(*self.keys)
        if cursor := asked.get("cursor"):
            rows = rows.filter(self._after(cursor, queryset.model))
        found = list(rows[: limit + 1])
        self.next_url = None
        if len(found) > limit:
            found.pop()
            self.next_url = replace_query_param(request.build_absolute_uri(), "cursor", self._cursor_of(found[-1]))
        return found

    def answer(self, data: Any) -> Response:
        return Response({"items": data, "next": self.next_url})

    def _cursor_of(self, row: Model) -> str:
        values = [getattr(row, key.lstrip("-")) for key in self.keys]
        text = json.dumps(
            [value.isoformat() if isinstance(value, datetime) else value for value in values], default=str
        )
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def _after(self, cursor: str, model: type[Model]) -> Q:
        """Rows behind the cursor: (a, b) > (x, y) written out, for each key in its own direction."""
        values = self._read(cursor, model)
        behind = Q()
        equal = Q()
        for key, value in zip(self.keys, values, strict=True):
            name = key.lstrip("-")
            behind |= equal & Q(**{f"{name}__{'lt' if key.startswith('-') else 'gt'}": value})
            equal &= Q(**{name: value})
        return behind

    def _read(self, cursor: str, model: type[Model]) -> Sequence[Any]:
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            if not isinstance(values, list) or len(values) != len(self.keys):
                raise ValueError
            for key, value in zip(self.keys, values, strict=True):
                field = model._meta.get_field(key.lstrip("-"))
                if type(value) is not (int if isinstance(field, IntegerField) else str) or "\0" in str(value):
                    raise ValueError
                field.run_validators(field.to_python(value))  # type: ignore[union-attr]
        except (ValueError, TypeError, RecursionError, binascii.Error, ValidationError):
            raise PortalError(BAD_CURSOR, code="bad_cursor", status=422) from None
        return values


def listed(item: type[serializers.BaseSerializer[Any]], *filters: Any) -> dict[str, Any]:
    """What `extend_schema` must know of a list: its items, its filters and how it is paged."""
    name = item.__name__
    page = type(f"{name}Page", (Page,), {"items": item(many=True)})
    return {"parameters": [*filters, PageQuery], "responses": {200: page}}


def query(serializer: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """The query parameters that `serializer` names, clean. Raises ValidationError (422)."""
    asked = serializer(data={name: value for name, value in request.query_params.items() if value != ""})
    asked.is_valid(raise_exception=True)
    clean: dict[str, Any] = asked.validated_data
    return clean
