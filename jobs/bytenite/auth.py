"""/v1/auth: an access token for an API key; who one is; one's secrets and API keys."""

from __future__ import annotations

from typing import Any

from django.utils.dateparse import parse_datetime

from jobs.bytenite.answers import Act, Endpoint, ok
from jobs.bytenite.calls import Call, Caller, malformed, plain
from jobs.bytenite.credentials import LASTS_S, exchange, sign_out
from jobs.bytenite.words import when
from portal.errors import NotFound
from portal.people import secrets, tokens
from portal.people.models import ApiToken, Secret


def access_token(call: Call) -> dict[str, Any]:
    access = exchange(call.request, call.text("api_key", required=True))
    return {"token": access.token, "expiresIn": LASTS_S, "scope": " ".join(access.scopes)}


def signout(call: Call, who: Caller) -> dict[str, Any]:
    sign_out(call.request)
    return ok(call.request, "This access token is of no use any more.")


def user(call: Call, who: Caller) -> dict[str, Any]:
    person = who.user
    return {
        "user": {
            "id": str(person.pk),
            "createdAt": when(person.date_joined),
            "lastLogin": when(person.last_login),
            "displayName": person.get_full_name() or person.username,
            "userName": person.username,
            "email": person.email,
            "phoneNumber": "",
            "photoUrl": "",
            "providerId": "slipway",
            "emailVerified": bool(person.email),
            "customClaims": {},
        }
    }


def list_secrets(call: Call, who: Caller) -> dict[str, Any]:
    """Names and kinds; what they hold is shown to nobody."""
    rows = secrets.visible_to(who.user)
    return {"secrets": [_secret(row) for row in rows]}


def save_secret(call: Call, who: Caller) -> dict[str, Any]:
    """`{"secret": {"id", "secretType", "accessKey"}, "secretKey"}`: a pair of keys, or without accessKey one value."""
    given = plain(call.fields.get("secret"), "secret")
    name = str(given.get("id") or given.get("name") or "")
    value, access = call.fields.get("secret_key"), given.get("access_key")
    if given.get("expires_at") and not _is_time(given["expires_at"]):
        raise malformed("'secret.expiresAt' must be a time, such as 2027-01-31T12:00:00Z.")
    if access:
        parts, kind = {"access_key": access, "secret_key": value}, Secret.Kind.KEYS
    else:
        parts, kind = {"value": value}, Secret.Kind.VALUE
    secrets.set_secret(name=name, kind=kind, parts=parts, user=who.user, actor=who.user, request=call.request)
    return ok(call.request, f"The secret '{name}' is kept.")


def _is_time(text: Any) -> bool:
    try:
        return isinstance(text, str) and parse_datetime(text) is not None
    except ValueError:  # written like one, and there is no such day
        return False


def delete_secret(call: Call, who: Caller) -> dict[str, Any]:
    name = call.named["name"]
    row = secrets.visible_to(who.user).filter(name=name, user=who.user).first()
    if row is None:
        raise NotFound(f"You have no secret '{name[:64]}'.")
    secrets.delete_secret(secret=row, actor=who.user, request=call.request)
    return ok(call.request, f"The secret '{name}' is deleted.")


def _secret(row: Secret) -> dict[str, Any]:
    kind = "s3" if row.kind == Secret.Kind.KEYS else str(row.kind)
    name = row.name if row.team is None else f"{row.name} (of the team {row.team.slug})"
    return {"id": row.name, "name": name, "secretType": kind, "expiresAt": None, "accessKey": "", "params": {}}


def list_keys(call: Call, who: Caller) -> dict[str, Any]:
    rows = ApiToken.objects.filter(user=who.user, job_number=None)
    return {
        "apiKeys": [
            {
                "id": str(row.pk),
                "name": row.name,
                "issuedAt": when(row.created_at),
                "expiresAt": when(row.expires_at),
                "userId": str(row.user_id),
                "revoked": row.revoked_at is not None,
                "fingerprint": row.prefix,
            }
            for row in rows
        ]
    }


def revoke_key(call: Call, who: Caller) -> dict[str, Any]:
    text = call.named["key"]
    tokens.revoke(user=who.user, pk=int(text) if text.isdecimal() and len(text) <= 18 else 0, request=call.request)
    return ok(call.request, "This API key is revoked.")


ENDPOINTS = (
    Endpoint("access_token", "access-token", {"POST": Act(access_token, open=True)}),
    Endpoint("signout", "signout", {"POST": Act(signout)}),
    Endpoint("user", "user", {"GET": Act(user)}),
    Endpoint("secrets", "secrets", {"GET": Act(list_secrets), "POST": Act(save_secret, "launch")}),
    Endpoint("secrets/(?P<kind>[^/]+)/(?P<name>[^/]+)", "secret", {"DELETE": Act(delete_secret, "launch")}),
    Endpoint("api_keys", "api-keys", {"GET": Act(list_keys)}),
    Endpoint("api_keys/(?P<key>[^/]+)/revoke", "api-key-revoke", {"POST": Act(revoke_key, "launch")}),
)
