"""API tokens: made with a name, scopes and an expiry; shown once; revoked; and those of one job. Each act is an audit event."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from portal.errors import Forbidden, Invalid, NotFound
from portal.people.audit import audit
from portal.people.models import SCOPES, ApiToken, User

ROLE_OF_SCOPE = {"curate": "curates", "operate": "operates"}


def scopes_for(user: User) -> tuple[str, ...]:
    """The scopes this person may hand to a token: curate and operate only with the role, jarvice where that door is open."""
    open_doors = SCOPES if settings.JARVICE_API else tuple(scope for scope in SCOPES if scope != "jarvice")
    return tuple(scope for scope in open_doors if scope not in ROLE_OF_SCOPE or getattr(user, ROLE_OF_SCOPE[scope]))


def issue(
    *, user: User, name: str, scopes: Collection[str], days: int | None = None, request: HttpRequest | None = None
) -> tuple[ApiToken, str]:
    """A new token of `user` and its text, which is never to be had again. `days` None: it never expires."""
    if not scopes:
        raise Invalid("A token needs at least one scope. Choose what it may do.")
    if "jarvice" in scopes and not settings.JARVICE_API:
        raise Invalid("The scope 'jarvice' is for the JARVICE API, which is not open here. Ask an administrator.")
    if beyond := sorted(set(scopes) - set(scopes_for(user))):
        raise Forbidden(f"You may not make a token with the scope '{beyond[0]}': your account lacks that role.")
    expires_at = None if days is None else timezone.now() + timedelta(days=days)
    ordered = [scope for scope in SCOPES if scope in scopes]
    token, text = ApiToken.issue(user, name=name, scopes=ordered, expires_at=expires_at)
    audit("token.created", request=request, actor=user, target=token.prefix, scopes=ordered, days=days)
    return token, text


def revoke(*, user: User, pk: int, request: HttpRequest | None = None) -> ApiToken:
    """The person's token, revoked now if it was not already."""
    token = ApiToken.objects.filter(user=user, pk=pk).first()
    if token is None:
        raise NotFound("You have no such token. Yours are listed on the page Account, Tokens.")
    if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        audit(
            "token.revoked", request=request, actor=None if request else user, target=token.prefix, owner=user.username
        )
        token.refresh_from_db()
    return token


def keep_for_job(*, user: User, job_number: int, text: str, expires_at: datetime) -> None:
    """The token of one job, for the JARVICE door alone. Its text follows from the job, so a second start finds it here.

    One that was revoked stays so. Call it where the job's row is locked and has not ended.
    """
    token, made = ApiToken.objects.update_or_create(
        hash=ApiToken.hash_of(text),
        defaults={"expires_at": expires_at},
        create_defaults={
            "user": user,
            "name": f"Job {job_number}",
            "prefix": text[:10],
            "scopes": ["jarvice"],
            "job_number": job_number,
            "expires_at": expires_at,
        },
    )
    if made:
        audit("token.created", actor=user, target=token.prefix, scopes=token.scopes, job=job_number)


def revoke_of_job(job_number: int) -> None:
    """Whatever token the job was given opens nothing from now on."""
    for token in ApiToken.objects.filter(job_number=job_number, revoked_at=None).select_related("user"):
        ApiToken.objects.filter(pk=token.pk).update(revoked_at=timezone.now())
        audit("token.revoked", actor=token.user, target=token.prefix, job=job_number)
