"""Signing in and out, passwords, and what strangers may see."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from portal.people.models import AuditEvent, User
from tests.factories import PASSWORD, make_person


@pytest.fixture(name="owner")
def _owner_with_password(owner: User) -> User:
    owner.set_password(PASSWORD)
    owner.save()
    return owner


def sign_in(client: Client, login: str, password: str, **over: Any) -> Any:
    return client.post(reverse("account_login"), {"login": login, "password": password}, **over)


@pytest.mark.parametrize("login", ["owner", "OWNER@example.org"])
def test_name_or_address_signs_in_and_is_audited(client: Client, owner: User, login: str) -> None:
    User.objects.filter(pk=owner.pk).update(email="owner@example.org")
    answer = sign_in(client, login, PASSWORD)
    assert answer.status_code == 302
    assert AuditEvent.objects.filter(action="login", actor=owner).exists()


def test_wrong_password_is_told_in_plain_words_and_audited(client: Client, owner: User) -> None:
    answer = sign_in(client, "owner", "wrong")
    assert "don&#x27;t go together" in answer.content.decode()
    assert AuditEvent.objects.filter(action="login.failed", target="owner").count() == 1


def test_after_five_failures_even_the_right_password_waits(client: Client, owner: User) -> None:
    for _ in range(5):
        sign_in(client, "owner", "wrong")
    answer = sign_in(client, "owner", PASSWORD)
    assert answer.status_code == 200
    assert "Wait five minutes" in answer.content.decode()


def test_an_account_switched_off_does_not_sign_in(client: Client, owner: User) -> None:
    User.objects.filter(pk=owner.pk).update(is_active=False)
    sign_in(client, "owner", PASSWORD)
    assert "_auth_user_id" not in client.session


def test_login_leads_back_but_never_to_another_site(client: Client, owner: User) -> None:
    there = client.post(reverse("account_login"), {"login": "owner", "password": PASSWORD, "next": "/account/"})
    assert there["Location"] == "/account/"
    client.logout()
    away = client.post(
        reverse("account_login"), {"login": "owner", "password": PASSWORD, "next": "https://evil.example/"}
    )
    assert away["Location"] == "/"


def test_nobody_signs_up_alone(client: Client, db: None) -> None:
    page = client.get(reverse("account_signup"))
    assert "made by administrators" in page.content.decode()
    client.post(
        reverse("account_signup"),
        {"username": "new", "email": "new@example.org", "password1": PASSWORD, "password2": PASSWORD},
    )
    assert not User.objects.filter(username="new").exists()


@pytest.mark.parametrize("path", ["/account/", "/account/tokens/", "/admin/", "/"])
def test_strangers_are_sent_to_the_sign_in_page(client: Client, db: None, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 302
    assert "login" in answer["Location"]


def test_logout_needs_a_post(client: Client, owner: User) -> None:
    client.force_login(owner)
    assert "Sign out?" in client.get(reverse("account_logout")).content.decode()
    assert "_auth_user_id" in client.session
    client.post(reverse("account_logout"))
    assert "_auth_user_id" not in client.session


def test_changing_the_password_ends_the_other_sessions(client: Client, owner: User) -> None:
    elsewhere = Client()
    elsewhere.force_login(owner)
    client.force_login(owner)
    new = {"oldpassword": PASSWORD, "password1": "another-long-one-7", "password2": "another-long-one-7"}
    answer = client.post(reverse("account_change_password"), new)
    assert answer["Location"] == reverse("people:account")
    assert client.get("/account/").status_code == 200
    assert elsewhere.get("/account/").status_code == 302
    assert AuditEvent.objects.filter(action="password.changed").exists()


def test_a_weak_new_password_is_refused(client: Client, owner: User) -> None:
    client.force_login(owner)
    new = {"oldpassword": PASSWORD, "password1": "12345", "password2": "12345"}
    assert "too short" in client.post(reverse("account_change_password"), new).content.decode()


def test_reset_by_mail_sets_a_new_password_once(client: Client, settings: Any, db: None) -> None:
    settings.MAIL_ENABLED = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    make_person("ida", email="ida@example.org")
    client.post(reverse("account_reset_password"), {"email": "ida@example.org"})
    (sent,) = mail.outbox
    found = re.search(r"https?://[^/\s]+(/\S+)", str(sent.body))
    assert found
    page = client.get(found[1], follow=True)
    form = page.redirect_chain[-1][0]
    client.post(form, {"password1": "another-long-one-7", "password2": "another-long-one-7"})
    assert sign_in(Client(), "ida", "another-long-one-7").status_code == 302
    assert "no longer works" in Client().get(found[1], follow=True).content.decode()


def test_reset_tells_nobody_who_has_an_account(client: Client, settings: Any, db: None) -> None:
    settings.MAIL_ENABLED = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    make_person("ida", email="ida@example.org")
    known = client.post(reverse("account_reset_password"), {"email": "ida@example.org"})
    unknown = client.post(reverse("account_reset_password"), {"email": "nobody@example.org"})
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])


def test_without_mail_the_reset_page_says_who_can_help(client: Client, settings: Any, db: None) -> None:
    settings.MAIL_ENABLED = False
    assert "Ask an administrator" in client.get(reverse("account_reset_password")).content.decode()
