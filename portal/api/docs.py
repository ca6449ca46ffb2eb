"""The OpenAPI document, and a readable page made of it that needs neither scripts nor another site."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.views import PortalView

TAGS = ("apps", "jobs", "queue", "machines", "files", "uploads", "tokens")


@functools.cache
def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document. It follows the code, so that it is made once a process."""
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return made


class Schema(PortalView):
    """Left out of the document itself."""

    renderer_classes = (OpenApiJsonRenderer,)

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        return Response(document())


@dataclass(frozen=True)
class Member:
    """One line of a table: a parameter, or a key of an object."""

    name: str
    kind: str
    required: bool
    text: str


@dataclass(frozen=True)
class Answer:
    status: str
    text: str
    members: list[Member]

    @property
    def caption(self) -> str:
        return f"Answer {self.status}"


@dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str
    summary: str
    text: list[SafeString]
    curl: str
    parameters: list[Member]
    body: list[Member]
    body_type: str
    answers: list[Answer]


@dataclass(frozen=True)
class Group:
    tag: str
    operations: list[Operation] = field(default_factory=list)


@require_safe
@login_required
def page(request: HttpRequest) -> HttpResponse:
    return render(request, "portal/api_docs.html", {"groups": groups(), "address": settings.PUBLIC_URL})


@functools.cache
def groups() -> list[Group]:
    """The document's operations by tag, flattened to what a table can show."""
    made = document()
    by_tag: dict[str, Group] = {tag: Group(tag) for tag in TAGS}
    for path, methods in made["paths"].items():
        for method, raw in methods.items():
            for tag in raw.get("tags", ["apps"])[:1]:
                by_tag.setdefault(tag, Group(tag)).operations.append(_operation(made, path, method, raw))
    return [group for group in by_tag.values() if group.operations]


def _operation(made: dict[str, Any], path: str, method: str, raw: dict[str, Any]) -> Operation:
    content: dict[str, Any] = raw.get("requestBody", {}).get("content", {})
    body_type = next(iter(content), "")
    body_schema = content.get(body_type, {}).get("schema", {})
    return Operation(
        id=raw["operationId"],
        method=method.upper(),
        path=path,
        summary=raw.get("summary", ""),
        text=_paragraphs(raw.get("description", "")),
        curl=_curl(made, path, method, body_type, body_schema),
        parameters=[
            Member(p["name"], f"{_kind(p['schema'])}, {p['in']}", p.get("required", False), p.get("description", ""))
            for p in raw.get("parameters", [])
        ],
        body=list(_members(made, body_schema)),
        body_type=body_type,
        answers=[
            Answer(status, answer.get("description", ""), list(_members(made, _schema_of(answer))))
            for status, answer in raw["responses"].items()
        ],
    )


def _paragraphs(text: str) -> list[SafeString]:
    """Paragraphs of our own descriptions, `words` in backticks as code."""
    return [
        mark_safe(re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(part)))  # noqa: S308  escaped just here
        for part in text.split("\n\n")
    ]


def _schema_of(answer: dict[str, Any]) -> dict[str, Any]:
    content = answer.get("content", {}).get("application/json", {})
    schema: dict[str, Any] = content.get("schema", {})
    return schema


def _resolved(made: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "allOf" in schema and len(schema["allOf"]) == 1:
        schema = schema["allOf"][0]
    if "$ref" in schema:
        found: dict[str, Any] = made["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        return found
    return schema


def _members(made: dict[str, Any], schema: dict[str, Any], at: str = "", depth: int = 0) -> Iterator[Member]:
    schema = _resolved(made, schema)
    if schema.get("type") == "array":
        yield from _members(made, schema["items"], f"{at}[]", depth)
        return
    for name, raw in schema.get("properties", {}).items():
        where = f"{at}.{name}" if at else name
        yield Member(where, _kind(_resolved(made, raw)), name in schema.get("required", ()), raw.get("description", ""))
        if depth < 2:
            yield from _members(made, raw, where, depth + 1)


def _kind(schema: dict[str, Any]) -> str:
    kind = schema.get("type", "any")
    words = " or ".join(kind) if isinstance(kind, list) else str(kind)
    if schema.get("format"):
        words += f" ({schema['format']})"
    if schema.get("enum"):
        words += ": " + ", ".join(str(item) for item in schema["enum"] if item not in (None, ""))
    return words


def _curl(made: dict[str, Any], path: str, method: str, body_type: str, schema: dict[str, Any]) -> str:
    lines = ['curl -H "Authorization: Bearer $TOKEN"', f"  {settings.PUBLIC_URL}{path}"]
    if method in ("put", "delete"):
        lines.append(f"  -X {method.upper()}")
    if body_type == "application/json":
        required = {m.name: _example(m) for m in _members(made, schema, depth=2) if m.required}
        lines.append(f"  --json '{json.dumps(required)}'")
    elif body_type:
        lines.append("  --data-binary @FILE -H 'Content-Type: application/octet-stream'")
    elif method == "post":
        lines.append("  -X POST")
    return " \\\n".join(lines)


def _example(member: Member) -> Any:
    match member.kind.split()[0]:
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case "array":
            return ["read"] if member.name == "scopes" else []
        case "object":
            return {}
        case _:
            return "..."
