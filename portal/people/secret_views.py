"""The page of one's secrets: add, replace and delete them. What they hold is on no page, ever."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from portal.errors import PortalError
from portal.people import secrets, signed_in
from portal.people.forms import SecretForm, SecretPartsForm
from portal.people.models import Secret

TABS = {Secret.Kind.VALUE: "One value", Secret.Kind.KEYS: "Two keys", Secret.Kind.REGISTRY: "Registry login"}
HELD = ("value", "access_key", "secret_key", "registry", "username", "password")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sensitive_post_parameters(*HELD)
def listing(request: HttpRequest) -> HttpResponse:
    """`?kind=` which form is shown, `?name=` fills in its name; POST adds one."""
    person = signed_in(request)
    sent = request.method == "POST"
    wanted = (request.POST if sent else request.GET).get("kind", "")
    kind = wanted if wanted in Secret.Kind.values else Secret.Kind.VALUE
    initial = {"name": request.GET.get("name", "").replace("\0", "")[:64]}
    form = SecretForm(request.POST if sent else None, user=person, kind=kind, initial=initial)
    if sent and form.is_valid():
        team = form.cleaned_data.get("team")
        try:
            made = secrets.set_secret(
                name=form.cleaned_data["name"],
                kind=kind,
                parts=form.parts,
                user=None if team else person,
                team=team,
                actor=person,
                replace=False,
                request=request,
            )
        except PortalError as refusal:
            form.add_error("name", refusal.message)
        else:
            messages.success(request, f"The secret {made.name} is kept. Nobody can read it again, you neither.")
            return redirect("people:secrets")
    shown = {"rows": secrets.visible_to(person), "form": form, "kind": kind, "kinds": TABS.items()}
    return render(request, "people/secrets.html", shown, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sensitive_post_parameters(*HELD)
def replace(request: HttpRequest, pk: int) -> HttpResponse:
    person = signed_in(request)
    row = secrets.find(person, pk)
    form = SecretPartsForm(request.POST if request.method == "POST" else None, kind=row.kind, name=row.name)
    if request.method == "POST" and form.is_valid():
        secrets.set_secret(
            name=row.name, kind=row.kind, parts=form.parts, user=row.user, team=row.team, actor=person, request=request
        )
        messages.success(
            request, f"The secret {row.name} is replaced. Tasks that start from now on are given the new one."
        )
        return redirect("people:secrets")
    return render(request, "people/secret.html", {"row": row, "form": form}, status=422 if form.errors else 200)


@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    row = secrets.find(signed_in(request), pk)
    secrets.delete_secret(secret=row, actor=signed_in(request), request=request)
    messages.success(request, f"The secret {row.name} is deleted. Jobs that need it say so and fail.")
    return redirect("people:secrets")
