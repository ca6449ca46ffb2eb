"""The keys of a bucket: a secret of the owner's or of a team of theirs, by name; or given inline, which is never stored so."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction

from apps_catalog.launch.spec import Fault, Json
from jobs import stage_secrets
from jobs.sources.base import Fields
from portal.errors import Conflict, Invalid
from portal.people import sealing
from portal.people.models import Secret, User

INLINE = ("access_key", "secret_key")
KEY_MAX = 200


@dataclass(frozen=True)
class Keys:
    """`access_key` "": nobody in particular asks, as a public bucket lets anyone."""

    access_key: str = ""
    sealed_secret: str = ""


def read(fields: Fields, owner: User) -> Keys:
    """The fields `secret`, or `access_key` and `secret_key`. A secret counts only while its owner may use it."""
    name = fields.text("secret", most=64)
    access, secret = (fields.text(one, most=KEY_MAX) for one in INLINE)
    if access or secret:
        if name:
            fields.wrong("secret", "twice", "is given beside an access key. Give one of them")
        for one, value in zip(INLINE, (access, secret), strict=True):
            if not value:
                fields.wrong(one, "required", "goes with the other key: give both, or neither")
        return Keys(access, sealing.seal(secret))
    if not name:
        return Keys()
    row = stage_secrets.named(owner, [name]).get(name)
    if row is None:
        said = f"Neither you nor a team of yours has a secret {name!r}. Make it on the page Secrets, or choose another."
        fields.wrong("secret", "missing_secret", said)
        return Keys()
    if row.kind != Secret.Kind.KEYS:
        said = f"The secret {name!r} is no pair of keys. Choose one of the kind 'Access key and secret key'."
        fields.wrong("secret", "secret_kind", said)
        return Keys()
    try:
        held = json.loads(sealing.unseal(row.sealed))
    except Conflict as refused:
        fields.wrong("secret", "sealed", refused.message)
        return Keys()
    return Keys(str(held["access_key"]), sealing.seal(str(held["secret_key"])))


def chosen(owner: User) -> list[Secret]:
    """The secrets that a source of the owner's may name, by name."""
    rows = stage_secrets.usable(owner).filter(kind=Secret.Kind.KEYS).select_related("team")
    return list({row.name: row for row in rows.order_by("name")}.values())


def put_away(given: Mapping[str, Json], owner: User, pointer: str) -> dict[str, Json]:
    """The same with inline keys moved into a secret of the owner's, of the bucket's name. Raises Invalid for half a pair."""
    kept = {key: value for key, value in given.items() if key not in INLINE}
    access, secret = (given.get(one) or "" for one in INLINE)
    if not access and not secret:
        return kept
    fields = Fields({one: given.get(one) for one in INLINE})
    for one in INLINE:
        fields.text(one, required="goes with the other key: give both, or neither", most=KEY_MAX)
    if given.get("secret"):
        fields.wrong("secret", "twice", "is given beside an access key. Give one of them")
    if fields.faults:
        faults = [Fault(pointer + fault.pointer, fault.code, fault.message) for fault in fields.faults]
        raise Invalid("The keys of the bucket can't be kept; each fault is listed with its place.", faults=faults)
    return {**kept, "secret": _kept(owner, str(given.get("bucket") or "bucket"), str(access), str(secret))}


def _kept(owner: User, bucket: str, access: str, secret: str) -> str:
    """The name of the owner's secret that holds these keys; the same keys are one secret."""
    text = json.dumps({"access_key": access, "secret_key": secret})
    mark = hmac.new(sealing.derived("keys of a bucket", 32), text.encode(), hashlib.sha256).hexdigest()[:8]
    word = "".join(one if one.isascii() and (one.isalnum() or one in "-_") else "-" for one in bucket)[:40]
    name = f"keys-{word}-{mark}"
    with transaction.atomic():
        defaults = {"kind": Secret.Kind.KEYS, "sealed": sealing.seal(text)}
        Secret.objects.update_or_create(user=owner, name=name, defaults=defaults)
    return name
