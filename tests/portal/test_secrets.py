"""S31: secrets are sealed at rest, belong to a person or a team, and are in no page, answer, log or error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from portal.errors import Conflict, Forbidden, Invalid
from portal.people import secrets
from portal.people.models import ApiToken, AuditEvent, Secret, User
from tests.factories import make_secret, make_team

pytestmark = pytest.mark.django_db
HIDDEN = "correct-horse-7f3a"
KEYS = {"access_key": "AKIA-7f3a", "secret_key": HIDDEN}
LOGIN = {"registry": "ghcr.io", "username": "ada-7f3a", "password": HIDDEN}


def bearer(user: User, *scopes: str) -> dict[str, str]:
    _, text = ApiToken.issue(user, name="t", scopes=list(scopes))
    return {"Authorization": f"Bearer {text}"}


@pytest.mark.parametrize(
    ("kind", "parts"), [("value", {"value": f"{HIDDEN}\nsecond line"}), ("keys", KEYS), ("registry", LOGIN)]
)
def test_a_secret_is_sealed_at_rest(kind: str, parts: dict[str, str], owner: User) -> None:
    row = secrets.set_secret(name="S3", kind=kind, parts=parts, user=owner, actor=owner)
    assert secrets.open_secret(row) == parts
    with connection.cursor() as cursor:
        cursor.execute("SELECT s::text FROM portal_secret s UNION ALL SELECT a::text FROM portal_auditevent a")
        everything = "".join(text for (text,) in cursor.fetchall())
    assert not [value for value in parts.values() if value[:8] in everything]
    assert AuditEvent.objects.get(action="secret.set").target == "S3"


def test_the_page_takes_one_and_never_shows_it(client: Client, owner: User) -> None:
    client.force_login(owner)
    sent = {"kind": "keys", "name": "S3_RESULTS", **KEYS}
    assert client.post("/account/secrets/", sent).status_code == 302
    row = Secret.objects.get(user=owner)
    for address in ("/account/secrets/", f"/account/secrets/{row.pk}/"):
        answer = client.get(address)
        page = answer.content.decode()
        assert "S3_RESULTS" in page
        assert "7f3a" not in page
        assert "no-store" in answer["Cache-Control"]
    client.post(f"/account/secrets/{row.pk}/", {"access_key": "new", "secret_key": "newer"})
    row.refresh_from_db()
    assert secrets.open_secret(row) == {"access_key": "new", "secret_key": "newer"}
    client.post(f"/account/secrets/{row.pk}/delete/")
    assert not Secret.objects.exists()
    acts = [event.action for event in AuditEvent.objects.filter(action__startswith="secret.").order_by("id")]
    assert acts == ["secret.set", "secret.replace", "secret.delete"]


def test_a_refused_form_does_not_repeat_it(client: Client, owner: User) -> None:
    client.force_login(owner)
    answer = client.post("/account/secrets/", {"kind": "value", "name": "1 bad name", "value": HIDDEN})
    assert answer.status_code == 422
    assert HIDDEN not in answer.content.decode()
    assert "no digit first" in answer.content.decode()
    answer = client.post("/account/secrets/", {"kind": "registry", "name": "r", **LOGIN, "registry": ""})
    assert HIDDEN not in answer.content.decode()
    assert "This field is required" in answer.content.decode()
    make_secret(owner, "taken")
    answer = client.post("/account/secrets/", {"kind": "value", "name": "taken", "value": HIDDEN})
    assert "Replace it, or choose another name." in answer.content.decode()
    assert HIDDEN not in answer.content.decode()


def test_a_teams_secret_is_its_members(client: Client, owner: User, teammate: User, stranger: User) -> None:
    team = make_team(owner, teammate, name="Keepers")
    client.force_login(owner)
    client.post("/account/secrets/", {"kind": "value", "name": "SHARED", "value": HIDDEN, "team": team.slug})
    row = Secret.objects.get(team=team)
    client.force_login(teammate)
    assert "SHARED" in client.get("/account/secrets/").content.decode()
    client.force_login(stranger)
    assert "SHARED" not in client.get("/account/secrets/").content.decode()
    with pytest.raises(Forbidden):
        secrets.set_secret(name="X", kind="value", parts={"value": "x"}, team=team, actor=stranger)
    with pytest.raises(Forbidden):
        secrets.delete_secret(secret=row, actor=stranger)
    answer = client.post("/account/secrets/", {"kind": "value", "name": "X", "value": "x", "team": team.slug})
    assert "Select a valid choice" in answer.content.decode()


def test_the_api_sets_lists_replaces_and_deletes(client: Client, owner: User) -> None:
    head = bearer(owner, "read", "launch")
    made = client.post(
        "/api/v1/secrets", {"name": "S3", "kind": "keys", **KEYS}, content_type="application/json", headers=head
    )
    assert made.status_code == 201, made.content
    listed = client.get("/api/v1/secrets", headers=head)
    assert "7f3a" not in made.content.decode() + listed.content.decode()
    [item] = listed.json()["items"]
    assert (item["name"], item["kind"], item["team"]) == ("S3", "keys", None)
    address = f"/api/v1/secrets/{item['id']}"
    new = {"access_key": "a", "secret_key": "b"}
    assert client.put(address, new, content_type="application/json", headers=head).status_code == 200
    assert secrets.open_secret(Secret.objects.get()) == new
    again = client.post(
        "/api/v1/secrets",
        {"name": "S3", "kind": "value", "value": HIDDEN},
        content_type="application/json",
        headers=head,
    )
    assert (again.status_code, HIDDEN in again.content.decode()) == (409, False)
    assert client.delete(address, headers=head).status_code == 204
    assert not Secret.objects.exists()


BAD: list[tuple[dict[str, Any], str]] = [
    ({"name": "1", "kind": "value", "value": "x"}, "/name"),
    ({"name": "A", "kind": "moon", "value": "x"}, "/kind"),
    ({"name": "A", "kind": "value"}, "/value"),
    ({"name": "A", "kind": "value", "value": ""}, "/value"),
    ({"name": "A", "kind": "value", "value": f"{HIDDEN}\0"}, "/value"),
    ({"name": "A", "kind": "value", "value": 7}, "/value"),
    ({"name": "A", "kind": "keys", "access_key": "a"}, "/secret_key"),
    ({"name": "A", "kind": "value", "value": HIDDEN, "team": "not-mine"}, "/team"),
    ({"name": "A", "kind": "value", "value": "x", "password": HIDDEN}, "/password"),
    ({"name": "A", "kind": "value", "value": HIDDEN * 3000}, "/value"),
    ({"name": "A", "kind": "value", "value": HIDDEN, "extra": 1}, "/extra"),
]


@pytest.mark.parametrize(("sent", "pointer"), BAD)
def test_each_fault_is_at_its_place_and_repeats_nothing(
    sent: dict[str, Any], pointer: str, client: Client, owner: User
) -> None:
    answer = client.post("/api/v1/secrets", sent, content_type="application/json", headers=bearer(owner, "launch"))
    assert answer.status_code == 422, answer.content
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}
    assert HIDDEN not in answer.content.decode()
    assert not Secret.objects.exists()


def test_there_is_an_end_to_how_many(owner: User) -> None:
    Secret.objects.bulk_create(
        Secret(user=owner, name=f"S{number}", kind="value", sealed="x") for number in range(secrets.SECRETS_MAX)
    )
    with pytest.raises(Conflict, match="At most 200"):
        make_secret(owner, "ONE_MORE")


def test_a_secret_is_a_persons_or_a_teams(owner: User) -> None:
    with pytest.raises(Invalid):
        secrets.set_secret(name="A", kind="value", parts={"value": "x"})


def test_nothing_of_it_is_printed_by_its_objects(owner: User) -> None:
    row = make_secret(owner, "A", value=HIDDEN)
    assert HIDDEN not in repr(row) + str(row) + json.dumps(row.__dict__, default=str)


def test_a_dump_of_the_database_holds_it_sealed_only(owner: User, capsys: pytest.CaptureFixture[str]) -> None:
    make_secret(owner, "A", value=HIDDEN)
    call_command("dumpdata", "portal.Secret")
    assert HIDDEN not in capsys.readouterr().out
