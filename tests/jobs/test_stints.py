"""A slot stays with the stage that it keeps a container for, for a while: everybody else has their share all the same."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps_catalog.launch.spec import RunPlan
from jobs import claim
from jobs.models import Attempt, Host, Job, JobStage, Task
from jobs.runtimes.fake import FakeRuntime
from jobs.states import Stage, TaskState
from jobs.stints import STINT_S, Stint
from jobs.warm import Warm
from portal.people.models import User
from tests.factories import make_host, make_job, make_machine, make_person
from tests.jobs.bundles import done, partitioned, submit

pytestmark = pytest.mark.django_db
PREFIX = "slipway-test"
TASK_S = 0.25
EACH = round(STINT_S / TASK_S)  # tasks of a stint


def opened(*people: User, tasks: int) -> list[Job]:
    """A fan-out of each, all of whose tasks can begin."""
    jobs = [submit(person, assembler=None) for person in people]
    Task.objects.update(priority=9)  # before tasks that are open already
    for job in jobs:
        partitioned(job, tasks)
    return jobs


def take(host: Host, *, slot: int = 0, after: Task | None = None) -> Attempt | None:
    return claim.claim(
        host=host,
        incarnation=host.incarnation,
        machine_id=make_machine().pk,
        slot=slot,
        prefix=PREFIX,
        after=after,
    )


def first(host: Host) -> Task:
    taken = take(host)
    assert taken is not None
    return taken.task


def place(attempt: Attempt | None) -> tuple[int, int] | None:
    return None if attempt is None else (attempt.task.job_id, attempt.task.index)


@dataclass
class Works:
    """Slots of one host that take tasks and carry them through, all in the time of `now`: no clock runs."""

    slots: int
    now: float = 0.0
    changes: int = 0  # containers that were made for a stage
    begun: list[tuple[float, int, int]] = field(default_factory=list)  # when, job, index

    def __post_init__(self) -> None:
        self.host = Host.objects.first() or make_host()
        self.stints = [Stint(clock=lambda: self.now) for _ in range(self.slots)]

    def go(self, tasks: int | None = None) -> None:
        """Until so many have begun, or all."""
        busy: list[tuple[float, int, Attempt | None]] = [(self.now, slot, None) for slot in range(self.slots)]
        left = tasks
        while busy:
            self.now, slot, attempt = heapq.heappop(busy)
            if attempt is not None:
                done(attempt)
            if left == 0 or (begun := self._begin(slot)) is None:
                continue
            left = left - 1 if left is not None else None
            heapq.heappush(busy, (self.now + TASK_S, slot, begun))

    def _begin(self, slot: int) -> Attempt | None:
        warm = Warm.at(PREFIX, self.host, make_machine().pk, slot)
        stint = self.stints[slot]
        attempt = take(self.host, slot=slot, after=stint.after(warm))
        stint.took(attempt)
        if attempt is None:
            return None
        self.begun.append((self.now, attempt.task.job_id, attempt.task.index))
        if attempt.task.job.in_stages and not warm.serves(attempt):
            self.changes += 1
            plan = JobStage.objects.get(job=attempt.task.job_id, stage=Stage.RUN).plan
            warm.make_ready(attempt, RunPlan.from_json(plan or {}), FakeRuntime())
        return attempt


def test_the_next_of_the_stage_goes_first_however_many_stand_before_it(owner: User, stranger: User) -> None:
    mine, theirs = opened(owner, stranger, tasks=4)
    host = Host.objects.get()
    last = first(host)
    assert last.job_id == mine.number
    assert place(take(host, after=last)) == (mine.number, 1)
    assert place(take(host)) == (theirs.number, 0)
    assert place(take(host, after=last)) == (mine.number, 2)


def test_without_any_more_of_the_stage_the_first_in_line_is_taken(owner: User, stranger: User) -> None:
    mine, theirs = opened(owner, stranger, tasks=2)
    host = Host.objects.get()
    last = first(host)
    Task.objects.filter(job=mine, index=1).update(ready_at=timezone.now() + timedelta(minutes=1))
    assert place(take(host, after=last)) == (theirs.number, 0)
    Task.objects.filter(job=theirs, state=TaskState.READY).update(state=TaskState.HELD)
    assert take(host, after=last) is None


def test_a_higher_priority_goes_before_the_next_of_the_stage(owner: User, stranger: User) -> None:
    (mine,) = opened(owner, tasks=3)
    host = Host.objects.get()
    last = first(host)
    urgent, usual = make_job(stranger), make_job(stranger)
    Task.objects.filter(job=urgent).update(priority=1)
    assert place(take(host, after=last)) == (urgent.number, 0)
    assert place(take(host, after=last)) == (mine.number, 1)
    assert Task.objects.get(job=usual).state == TaskState.READY


def test_whoever_may_take_nothing_takes_no_follower_either(owner: User) -> None:
    opened(owner, tasks=3)
    host = Host.objects.get()
    last = first(host)
    Host.objects.update(draining=True)
    assert take(host, after=last) is None


def test_of_a_stage_only_those_near_by_are_looked_at(
    owner: User, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = opened(owner, stranger, tasks=claim.FOLLOWERS + 3)
    host = Host.objects.get()
    last = first(host)
    Task.objects.filter(job=mine, index__lte=claim.FOLLOWERS, state=TaskState.READY).update(state=TaskState.CANCELLED)
    assert place(take(host, after=last)) == (theirs.number, 0)
    Task.objects.filter(job=mine, index=claim.FOLLOWERS).update(state=TaskState.READY)
    assert place(take(host, after=last)) == (mine.number, claim.FOLLOWERS)


def test_it_costs_no_query_more(owner: User) -> None:
    opened(owner, tasks=4)
    host = Host.objects.get()
    make_machine()
    last = first(host)
    with CaptureQueriesContext(
        connection,
    ) as by_line:
        take(host)
    with CaptureQueriesContext(connection) as by_stage:
        take(host, after=last)
    assert len(by_stage) == len(by_line)


def test_slots_change_their_stage_seldom_and_every_job_has_its_share() -> None:
    jobs = opened(*(make_person() for _ in range(3)), tasks=4 * EACH)
    works = Works(slots=2)
    works.go()
    assert len(works.begun) == 12 * EACH
    assert works.changes <= 2 * 12 / 2 + 2 * len(
        jobs
    )  # one a stint of each slot, and what is short at the end of stages
    taken: Counter[int] = Counter({job.number: 0 for job in jobs})
    for _, number, _ in works.begun:
        taken[number] += 1
        if max(taken.values()) < 4 * EACH:  # while all have something left
            assert max(taken.values()) - min(taken.values()) <= 2 * EACH + 2


def test_a_single_job_waits_for_no_more_than_a_stint(owner: User, stranger: User) -> None:
    opened(owner, tasks=4 * EACH)
    works = Works(slots=1)
    works.go(tasks=EACH // 2)
    single = make_job(stranger)
    came = works.now
    works.go(tasks=2 * EACH)
    begun = next(at for at, number, _ in works.begun if number == single.number)
    assert begun - came <= STINT_S


def test_a_long_task_leaves_no_stint_behind_it(owner: User) -> None:
    opened(owner, tasks=2)
    works = Works(slots=1)
    attempt = works._begin(0)
    assert attempt is not None
    warm = Warm.at(PREFIX, works.host, make_machine().pk, 0)
    assert works.stints[0].after(warm) == attempt.task
    works.now += STINT_S
    assert works.stints[0].after(warm) is None
