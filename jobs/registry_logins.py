"""The login of a registry that a version's image needs: opened for the moment of the pull, and kept nowhere."""

from __future__ import annotations

from apps_catalog.models import Version
from jobs.runtimes.base import RegistryLogin, RuntimeFault
from portal.errors import Conflict
from portal.people import secrets
from portal.people.models import Secret


def login_of(version: Version | None) -> RegistryLogin | None:
    """None where the version has none. Raises RuntimeFault(image_denied) where it can't be opened any more."""
    row = version.registry_secret if version is not None else None
    if version is None or row is None or row.kind != Secret.Kind.REGISTRY:
        return None
    try:
        held = secrets.open_secret(row)
    except Conflict as refused:
        said = f"The login for the image {version.image!r} can't be used: {refused}"
        raise RuntimeFault(said, code="image_denied", retry=False) from refused
    return RegistryLogin(held["registry"], held["username"], held["password"])
