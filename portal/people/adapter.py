"""How people sign in: allauth's adapter with sign-up closed, and audit rows for what matters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.http import HttpRequest

from portal.people.audit import audit


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """No open sign-up: `manage.py createperson` and the admin make people."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        audit(
            "login.failed", request=request, target=str(credentials.get("username") or credentials.get("email") or "")
        )
        super().authentication_failed(request, **credentials)

    def post_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> Any:
        audit("login", request=request, actor=user)
        return super().post_login(request, user, **kwargs)

    def set_password(self, user: Any, password: str) -> None:
        super().set_password(user, password)
        audit("password.changed", actor=user)


class NoMail(BaseEmailBackend):
    """Where no SMTP_HOST is set: nothing is sent, and nothing pretends to be."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        return 0
