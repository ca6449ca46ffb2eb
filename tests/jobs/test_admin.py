"""The admin pages of jobs, where they can do harm."""

from __future__ import annotations

import pytest
from django.test import Client

from jobs import limits
from jobs.models import OwnerLoad
from portal.people.models import User
from tests.factories import make_person

pytestmark = pytest.mark.django_db


def test_setting_a_limit_leaves_the_counts_as_they_have_moved_meanwhile(
    client: Client, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(make_person(is_staff=True, is_superuser=True))
    load = limits.lock(owner.pk)
    save = OwnerLoad.save

    def after_a_submit(self: OwnerLoad, **how: object) -> None:
        OwnerLoad.objects.filter(pk=self.pk).update(queued=7)
        save(self, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(OwnerLoad, "save", after_a_submit)
    answer = client.post(f"/admin/jobs/ownerload/{load.pk}/change/", {"owner": owner.pk, "running_max": 3})
    assert answer.status_code == 302, answer.content
    load.refresh_from_db()
    assert (load.queued, load.running_max) == (7, 3)
