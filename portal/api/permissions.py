"""What a caller may do: the scopes of a token, and the roles of its person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from portal.people.models import ApiToken, User

if TYPE_CHECKING:
    from rest_framework.views import APIView

ROLES = {"curate": "curators", "operate": "operators"}


def scope_of(view: object, method: str | None) -> str:
    """The scope that a method of a view asks for: what its `scopes` says, else `read`. HEAD is GET without a body."""
    scopes: dict[str, str] = getattr(view, "scopes", {})
    return scopes.get("GET" if method == "HEAD" else method or "", "read")


class SignedInWithScope(BasePermission):
    """A session has every scope of its person's roles; a token has those it was made with, and never more than its person."""

    message = ""
    code = "forbidden"

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.user, User):
            return False
        scope = scope_of(view, request.method)
        if isinstance(request.auth, ApiToken) and scope not in request.auth.scopes:
            self.message = f"This token lacks the scope '{scope}'. Make one that has it on the page Account, Tokens."
            self.code = "scope_missing"
            return False
        if scope in ROLES and not (request.user.curates if scope == "curate" else request.user.operates):
            self.message = f"This is for {ROLES[scope]} only. Ask an administrator for that role."
            self.code = "role_missing"
            return False
        return True
