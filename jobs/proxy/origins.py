"""The origins of apps: each endpoint has a host name of its own, so that a browser keeps it apart from all others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

LABEL = re.compile(r"([0-9]{1,18})-[a-z0-9]{13,40}")
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Origin:
    """`host` as the browser writes it in Host and Origin: with its port, unless that is the scheme's own."""

    label: str
    scheme: str
    host: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"

    @property
    def job_number(self) -> int:
        return int(self.label.partition("-")[0])


def is_on() -> bool:
    """Whether apps have a domain at all."""
    return bool(settings.APPS_DOMAIN)


def origin_of(label: str) -> Origin:
    """The origin of an endpoint, by its label. Scheme and port are the portal's, unless APPS_DOMAIN names a port."""
    portal = urlsplit(settings.PUBLIC_URL)
    domain, _, port = settings.APPS_DOMAIN.partition(":")
    number = int(port) if port else portal.port
    suffix = "" if number in (None, DEFAULT_PORTS.get(portal.scheme)) else f":{number}"
    return Origin(label, portal.scheme, f"{label}.{domain}{suffix}")


def is_for_apps(host: str) -> bool:
    """Whether a Host header means the apps' domain, however it is written: then the portal must not answer."""
    if not is_on():
        return False
    name = host.strip().lower().partition(":")[0].rstrip(".")
    return name.endswith("." + settings.APPS_DOMAIN.partition(":")[0])


def requested(host: str) -> Origin | None:
    """The origin that a Host header names, written exactly as a browser writes it; None for anything else."""
    label = host.partition(".")[0]
    if not is_on() or not LABEL.fullmatch(label):
        return None
    origin = origin_of(label)
    return origin if host == origin.host else None
