"""Addresses of one's own account."""

from __future__ import annotations

from django.urls import path

from portal.people import secret_views, views

app_name = "people"
urlpatterns = [
    path("", views.account, name="account"),
    path("sign-out-elsewhere/", views.sign_out_elsewhere, name="sign-out-elsewhere"),
    path("tokens/", views.tokens, name="tokens"),
    path("tokens/new/", views.create_token, name="create-token"),
    path("tokens/<int:pk>/revoke/", views.revoke_token, name="revoke-token"),
    path("secrets/", secret_views.listing, name="secrets"),
    path("secrets/<int:pk>/", secret_views.replace, name="replace-secret"),
    path("secrets/<int:pk>/delete/", secret_views.delete, name="delete-secret"),
]
