"""How people sign in: allauth's adapter with sign-up closed, and audit rows for what matters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from allauth.account.adapter import DefaultAccountAdapter
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.http import HttpRequest
from django.urls import reverse

from portal.people.audit import audit


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """No open sign-up: `manage.py createperson` and the admin make people."""

    error_messages: ClassVar = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": "This name and password don't go together. Check both; capital letters count.",
        "email_password_mismatch": "This address and password don't go together. Check both; capital letters count.",
        "too_many_login_attempts": "Too many failed attempts with this name. Wait five minutes, then try again.",
        "incorrect_password": "This is not your password. Capital letters count.",
        "enter_current_password": "This is not your current password. Capital letters count.",
    }

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("people:account")

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
