"""The origins of apps: each endpoint has a host name of its own, so that a browser keeps it apart from all others.

With APPS_BY_PATH all of them share one host, each below a path of its own: for sites that can't have a wildcard name.
Then the portal is kept apart from apps, but not one app from another (docs/howto/connect-to-apps.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

LABEL = re.compile(r"([0-9]{1,18})-[a-z0-9]{13,40}")
BELOW = re.compile(r"/connect/([^/]{1,60})(?=/|\Z)")
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Origin:
    """`host` as the browser writes it in Host and Origin: with its port, unless that is the scheme's own.

    `prefix` is "", or the path below which the app is.
    """

    label: str
    scheme: str
    host: str
    prefix: str = ""

    @property
    def url(self) -> str:
        """As a browser writes it in Origin: without a path."""
        return f"{self.scheme}://{self.host}"

    @property
    def root(self) -> str:
        """Where the app's own "/" is, without that stroke."""
        return f"{self.url}{self.prefix}"

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
    if settings.APPS_BY_PATH:
        return Origin(label, portal.scheme, f"{domain}{suffix}", f"/connect/{label}")
    return Origin(label, portal.scheme, f"{label}.{domain}{suffix}")


def is_for_apps(host: str) -> bool:
    """Whether a Host header means the apps' domain, however it is written: then the portal must not answer."""
    if not is_on():
        return False
    name = host.strip().lower().partition(":")[0].rstrip(".")
    domain = settings.APPS_DOMAIN.partition(":")[0]
    return name.endswith(f".{domain}") or (settings.APPS_BY_PATH and name == domain)


def requested(host: str, path: str) -> Origin | None:
    """The origin that a request means, its Host written exactly as a browser writes it; None for anything else."""
    found = BELOW.match(path) if settings.APPS_BY_PATH else None
    label = found[1] if found else host.partition(".")[0]
    if not is_on() or not LABEL.fullmatch(label) or bool(found) != settings.APPS_BY_PATH:
        return None
    origin = origin_of(label)
    return origin if host == origin.host else None
