"""The OpenAPI document: every operation with the problems it may answer, and how callers say who they are."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent

from portal.api.fields import Body
from portal.api.permissions import scope_of
from portal.api.problems import MEDIA_TYPE

PROBLEMS = {
    "400": "The body can't be read.",
    "401": "No token or session, or one that is not valid.",
    "403": "The token lacks the scope, or its person the role.",
    "404": "Not there, or not yours to see.",
    "409": "Its state, a limit or a quota does not allow this.",
    "411": "The body came without its length.",
    "413": "Too large.",
    "415": "The body is of another media type.",
    "422": "The request has faults; `errors` lists each with its place.",
    "503": "The database does not answer just now.",
}
ALWAYS = ("401", "403", "422", "503")
WITH_BODY = ("400", "409", "411", "413", "415")
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "detail", "code", "errors"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened, and what to do."},
        "code": {"type": "string", "description": "Stable, for programs."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "message"],
                "properties": {
                    "pointer": {"type": "string", "description": "RFC 6901, into the request."},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
    },
}


class PortalSchema(AutoSchema):
    """Adds what all our operations share: problem+json answers and the scope a token needs."""

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: ComponentRegistry
    ) -> dict[str, Any] | None:
        operation = super().get_operation(path, path_regex, path_prefix, method, registry)
        if operation is None:
            return None
        problem = ResolvedComponent(name="Problem", type=ResolvedComponent.SCHEMA, object="Problem", schema=PROBLEM)  # type: ignore[no-untyped-call]
        registry.register_on_missing(problem)
        responses: dict[str, Any] = operation["responses"]
        for status in self._problems(operation):
            content = {MEDIA_TYPE: {"schema": problem.ref}}
            responses.setdefault(status, {"description": PROBLEMS[status], "content": content})
        operation["responses"] = dict(sorted(responses.items()))
        operation["x-scope"] = scope_of(self.view, self.method)
        return operation

    def _map_serializer(self, serializer: Any, direction: Any, bypass_extensions: bool = False) -> dict[str, Any]:
        """A body of ours refuses keys that it does not know; the document says so."""
        schema: dict[str, Any] = super()._map_serializer(serializer, direction, bypass_extensions)  # type: ignore[no-untyped-call]
        if isinstance(serializer, Body) and schema.get("type") == "object":
            schema["additionalProperties"] = False
        return schema

    def _problems(self, operation: dict[str, Any]) -> tuple[str, ...]:
        found: tuple[str, ...] = ALWAYS
        if "{" in self.path:
            found += ("404",)
        if self.method != "GET":
            found += WITH_BODY
        return found

    def get_operation_id(self) -> str:
        """Of the method and every part of the path, so that no two are the same: get_jobs_number_log."""
        return re.sub(r"[^a-z0-9]+", "_", f"{self.method} {self.path.removeprefix('/api/v1/')}".lower()).strip("_")

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular has it
        scope = scope_of(self.view, self.method)
        return f"{super().get_description()}\n\nA token needs the scope `{scope}`.".strip()


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "portal.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "A token from the page Account, Tokens."}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "portal.api.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The browser's session; changes need the CSRF token in X-CSRFToken.",
        }
