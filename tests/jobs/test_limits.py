"""How many jobs a person may have queued: counted by one statement, also where many submit at once."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection, transaction

from jobs import limits
from jobs.models import OwnerLoad
from jobs.states import TaskState
from portal.errors import Full
from portal.people.models import User
from tests.factories import make_person

CLIENTS = 8


@pytest.mark.django_db
def test_the_first_job_of_all_makes_the_count_and_the_limit_is_told_with_it(owner: User, settings: Any) -> None:
    settings.JOBS_QUEUED_MAX = 2
    assert limits.accept(owner.pk) == TaskState.READY
    assert limits.accept(owner.pk) == TaskState.READY
    with pytest.raises(Full, match="You have 2 jobs waiting, which is the limit"):
        limits.accept(owner.pk)
    assert OwnerLoad.objects.get(owner=owner).queued == 2


@pytest.mark.django_db
def test_ones_own_limits_go_before_those_of_the_installation(owner: User, stranger: User, settings: Any) -> None:
    settings.JOBS_QUEUED_MAX, settings.JOBS_RUNNING_MAX = 0, 0
    OwnerLoad.objects.create(owner=owner, queued_max=3, running_max=1)
    assert limits.accept(owner.pk) == TaskState.READY
    OwnerLoad.objects.filter(owner=owner).update(running=1)
    assert limits.accept(owner.pk) == TaskState.HELD
    with pytest.raises(Full):
        limits.accept(stranger.pk)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("known", [True, False], ids=["counted before", "first job of all"])
def test_many_at_once_never_pass_the_limit(known: bool, settings: Any) -> None:
    settings.JOBS_QUEUED_MAX = 5
    owner = make_person("busy")
    if known:
        OwnerLoad.objects.create(owner=owner)
    came: list[str] = []
    together = threading.Barrier(CLIENTS)

    def submit() -> None:
        together.wait(10)
        try:
            with transaction.atomic():
                came.append(limits.accept(owner.pk))
        except Full as full:
            came.append(full.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=submit) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(came) == ["queued_limit"] * 3 + ["ready"] * 5
    assert OwnerLoad.objects.get(owner=owner).queued == 5
