"""System checks: wrong combinations of settings, said at start."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register


@register()
def addresses(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    host = urlsplit(settings.PUBLIC_URL).hostname
    if not host:
        return [
            Error("PUBLIC_URL is not an address.", hint="Write it as https://portal.example.org.", id="portal.E001")
        ]
    if "*" not in settings.ALLOWED_HOSTS and host not in [name.strip("[]") for name in settings.ALLOWED_HOSTS]:
        return [
            Error(
                f"PUBLIC_URL names {host}, which ALLOWED_HOSTS does not.",
                hint=f"Add {host} to ALLOWED_HOSTS.",
                id="portal.E002",
            )
        ]
    return []


@register()
def apps_domain(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    domain = settings.APPS_DOMAIN.partition(":")[0]
    portal = [urlsplit(settings.PUBLIC_URL).hostname or "", *settings.ALLOWED_HOSTS]
    shadowed = [name for name in portal if domain and name.lstrip("*.").endswith(f".{domain}")]
    if shadowed:
        said = (
            f"{shadowed[0]} lies within APPS_DOMAIN ({domain}), where apps are: the portal would never be asked there."
        )
        return [Error(said, hint="Give apps a domain that the portal's name is not in.", id="portal.E004")]
    if settings.APPS_BY_PATH and domain == portal[0]:
        said = f"With APPS_BY_PATH all of {domain} is for apps, and PUBLIC_URL names it too."
        return [Error(said, hint="Give apps a host of their own.", id="portal.E005")]
    if domain in portal and domain not in ("localhost", "127.0.0.1"):
        said = f"APPS_DOMAIN is {domain}, the portal's own name: apps could set cookies for the portal."
        return [Warning(said, hint="Give apps a domain of their own, best one registered apart.", id="portal.W003")]
    return []


@register()
def run_user(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    if (settings.RUN_UID == 0) != (settings.RUN_GID == 0):
        return [Error("RUN_UID and RUN_GID go together.", hint="Set both or neither.", id="portal.E003")]
    ours = os.geteuid()
    if settings.RUN_UID and ours not in (0, settings.RUN_UID):
        said = (
            f"RUN_UID is {settings.RUN_UID}, but the portal runs as user {ours}: it can't change files that jobs wrote."
        )
        return [Warning(said, hint="Leave RUN_UID empty, or run the portal as that user.", id="portal.W002")]
    return []


@register(deploy=True)
def tls(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    if not settings.HTTPS:
        return [
            Warning(
                "PUBLIC_URL is not https, so cookies travel in clear.",
                hint="Put a TLS proxy in front and set PUBLIC_URL.",
                id="portal.W001",
            )
        ]
    return []
