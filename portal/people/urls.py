"""Addresses of one's own account."""

from __future__ import annotations

from django.urls import path

from portal.people import views

app_name = "people"
urlpatterns = [
    path("", views.account, name="account"),
    path("sign-out-elsewhere/", views.sign_out_elsewhere, name="sign-out-elsewhere"),
    path("tokens/", views.tokens, name="tokens"),
    path("tokens/new/", views.create_token, name="create-token"),
    path("tokens/<int:pk>/revoke/", views.revoke_token, name="revoke-token"),
]
