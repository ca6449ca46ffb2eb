"""Pages of one's own account: profile, tokens, sessions."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal.people import signed_in
from portal.people import tokens as token_services
from portal.people.audit import audit
from portal.people.forms import ProfileForm, TokenForm
from portal.people.models import ApiToken, User
from portal.people.sessions import end_sessions, sessions_of

REVOKED_SHOWN = 10


@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """The profile: name and mail can be changed here, the rest is shown."""
    person = signed_in(request)
    form = ProfileForm(request.POST or None, instance=User.objects.get(pk=person.pk))
    if request.method == "POST" and form.is_valid():
        form.save()
        audit("profile.changed", request=request, target=person.username, fields=form.changed_data)
        messages.success(request, "Your profile is saved.")
        return redirect("people:account")
    shown = {
        "form": form,
        "teams": person.teams.all(),
        "sessions": sum(1 for _ in sessions_of(person)),
    }
    return render(request, "people/account.html", shown, status=422 if form.errors else 200)


@require_POST
def sign_out_elsewhere(request: HttpRequest) -> HttpResponse:
    """End every other session of this person."""
    ended = end_sessions(signed_in(request), but=request.session.session_key)
    audit("sessions.ended", request=request, target=signed_in(request).username, ended=ended)
    messages.success(request, f"Signed out elsewhere: {ended} other session{'' if ended == 1 else 's'} ended.")
    return redirect("people:account")


@require_GET
def tokens(request: HttpRequest) -> HttpResponse:
    return _tokens_page(request, TokenForm(user=signed_in(request)))


@require_POST
@never_cache
def create_token(request: HttpRequest) -> HttpResponse:
    """Make a token. Its text is on this one answer only, so the answer is no redirect and is not cached."""
    person = signed_in(request)
    form = TokenForm(request.POST, user=person)
    if not form.is_valid():
        return _tokens_page(request, form, status=422)
    token, text = token_services.issue(
        user=person,
        name=form.cleaned_data["name"],
        scopes=form.cleaned_data["scopes"],
        days=form.days,
        request=request,
    )
    return _tokens_page(request, TokenForm(user=person), made=token, text=text)


@require_POST
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    token = token_services.revoke(user=signed_in(request), pk=pk, request=request)
    messages.success(request, f"The token {token.name} is revoked. Programs that use it are refused from now on.")
    return redirect("people:tokens")


def _tokens_page(
    request: HttpRequest, form: TokenForm, *, made: ApiToken | None = None, text: str = "", status: int = 200
) -> HttpResponse:
    mine = signed_in(request).tokens.filter(job_number=None)  # those of jobs come and go with them
    shown = {
        "form": form,
        "live": mine.live(),
        "ended": mine.exclude(pk__in=mine.live().values("pk"))[:REVOKED_SHOWN],
        "made": made,
        "text": text,
    }
    return render(request, "people/tokens.html", shown, status=status)
