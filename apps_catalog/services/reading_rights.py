"""Which versions a person may read: those of apps they may see; drafts are for curators."""

from __future__ import annotations

from django.db.models import Q

from apps_catalog.models import App, Version
from portal.errors import NotFound
from portal.people.models import User


def readable_version(user: User, slug: str, label: str) -> Version:
    """Raises NotFound, also for what is not theirs to see."""
    rows = Version.objects.select_related("app").defer("app__icon", "app__search", "findings")
    seen = Q(app__in=App.objects.visible_to(user)) | Q(app__builtin=True)
    found = rows.filter(seen, app__slug=slug, label=label.replace("\0", "")).first()
    if found is None or (found.state == Version.State.DRAFT and not user.curates):
        raise NotFound("There is no such version, or it is not yours to see.")
    return found
