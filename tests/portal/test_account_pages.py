"""The pages of one's own account: profile, sessions, tokens."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.errors import Forbidden, NotFound
from portal.people import tokens
from portal.people.models import ApiToken, AuditEvent, User
from tests.factories import make_person


def test_profile_is_saved_and_an_address_is_not_shared(client: Client, owner: User) -> None:
    make_person("other", email="taken@example.org")
    client.force_login(owner)
    sent = {"first_name": "Ada", "last_name": "<b>L</b>", "email": "TAKEN@example.org"}
    refused = client.post("/account/", sent)
    assert refused.status_code == 422
    assert "Another account has this address" in refused.content.decode()
    assert client.post("/account/", {**sent, "email": "ada@example.org"}).status_code == 302
    page = client.get("/account/").content.decode()
    assert "<b>L</b>" not in page
    assert "&lt;b&gt;L" in page


def test_profile_form_gives_nobody_a_role(client: Client, owner: User) -> None:
    client.force_login(owner)
    client.post("/account/", {"first_name": "", "last_name": "", "email": "", "is_staff": "on", "is_operator": "on"})
    owner.refresh_from_db()
    assert not owner.is_staff
    assert not owner.is_operator


def test_sign_out_elsewhere_ends_all_other_sessions_and_nobody_elses(
    client: Client, owner: User, stranger: User
) -> None:
    elsewhere, other = Client(), Client()
    for browser, person in ((client, owner), (elsewhere, owner), (other, stranger)):
        browser.force_login(person)
    client.post(reverse("people:sign-out-elsewhere"))
    assert client.get("/account/").status_code == 200
    assert elsewhere.get("/account/").status_code == 302
    assert other.get("/account/").status_code == 200


def test_token_text_is_shown_once_and_only_its_hash_is_stored(client: Client, owner: User) -> None:
    client.force_login(owner)
    made = client.post(
        reverse("people:create-token"), {"name": "nightly", "scopes": ["read", "launch"], "expires": "30"}
    )
    found = re.search(r'id="token-text">(slw_[\w-]+)<', made.content.decode())
    assert found
    assert "no-store" in made["Cache-Control"]
    token = ApiToken.objects.get(user=owner)
    assert token.hash == ApiToken.hash_of(found[1])
    assert token.expires_at is not None
    assert abs(token.expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)
    assert found[1] not in client.get(reverse("people:tokens")).content.decode()
    assert AuditEvent.objects.get(action="token.created").detail == {"scopes": ["read", "launch"], "days": 30}


@pytest.mark.parametrize("scope", ["curate", "operate"])
def test_scopes_of_a_role_are_for_those_who_have_it(client: Client, owner: User, scope: str) -> None:
    client.force_login(owner)
    assert f'value="{scope}"' not in client.get(reverse("people:tokens")).content.decode()
    sent = {"name": "x", "scopes": [scope], "expires": ""}
    assert client.post(reverse("people:create-token"), sent).status_code == 422
    with pytest.raises(Forbidden):
        tokens.issue(user=owner, name="x", scopes=[scope])
    assert not ApiToken.objects.exists()


def test_nobody_revokes_the_token_of_another(client: Client, owner: User, stranger: User) -> None:
    token, text = tokens.issue(user=owner, name="mine", scopes=["read"])
    client.force_login(stranger)
    assert client.post(reverse("people:revoke-token", args=[token.pk])).status_code == 404
    with pytest.raises(NotFound):
        tokens.revoke(user=stranger, pk=token.pk)
    assert ApiToken.objects.presented(text)
    client.force_login(owner)
    client.post(reverse("people:revoke-token", args=[token.pk]))
    assert ApiToken.objects.presented(text) is None
    assert AuditEvent.objects.filter(action="token.revoked").count() == 1


def test_a_token_ends_with_its_expiry_and_with_its_person(owner: User) -> None:
    token, text = tokens.issue(user=owner, name="mine", scopes=["read"], days=1)
    assert ApiToken.objects.presented(text)
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert ApiToken.objects.presented(text) is None
    User.objects.filter(pk=owner.pk).update(is_active=True)
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now())
    assert ApiToken.objects.presented(text) is None
