"""Apps that nobody uses: warned of, kept running, stopped; by the database's clock, and never what serves nothing."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.core import mail
from django.db.models.functions import Now
from django.test import Client

from jobs import chores, endpoints, idle, services
from jobs.models import Endpoint, Job
from jobs.states import JobState
from jobs.tended import Tended
from portal.errors import Conflict, Forbidden
from portal.people.models import User
from tests.factories import make_team
from tests.jobs.serving_jobs import age, endpoint_of, make_serving_job, open_it

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def eight_hours(settings: Any) -> None:
    settings.IDLE_STOP_HOURS = 8


def tended(job: Job) -> Tended:
    return cast("Tended", SimpleNamespace(attempt=job.tasks.get().attempts.get(), job=job, stopping=""))


def look(*jobs: Job) -> dict[int, str]:
    """One look at these jobs: those that it stops, and what is said."""
    stopped: dict[int, str] = {}

    def stop(one: Tended, said: str) -> None:
        stopped[one.job.number] = said

    idle.look([tended(job) for job in jobs], stop)
    return stopped


def page(user: User, job: Job) -> str:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client.get(job.get_absolute_url()).content.decode()


def test_one_that_is_used_is_left_alone(owner: User) -> None:
    job = make_serving_job(owner)
    age(open_it(job), hours=20)
    Endpoint.objects.update(last_traffic_at=Now())
    assert look(job) == {}
    assert idle.stops_in(job) is None


def test_the_time_counts_from_when_it_opened_where_nobody_ever_came(owner: User) -> None:
    fresh, old = make_serving_job(owner), make_serving_job(owner)
    age(open_it(old), hours=8, minutes=1)
    open_it(fresh)
    assert look(fresh, old) == {
        old.number: "Stopped, because nobody had used it for 8 h. Launch it again when you need it."
    }


def test_one_that_never_answered_is_stopped_too(owner: User) -> None:
    job = make_serving_job(owner)
    age(endpoint_of(job), hours=9)
    assert list(look(job)) == [job.number]


def test_a_warning_comes_half_an_hour_before_once_with_event_banner_and_mail(owner: User, settings: Any) -> None:
    settings.MAIL_ENABLED = True
    job = make_serving_job(owner, notify=True)
    age(open_it(job), hours=7, minutes=40)
    for _ in range(3):
        assert look(job) == {}
    (event,) = job.events.filter(kind="idle")
    assert re.fullmatch(
        r"Nobody has used it for 7 h 40 min\. It is stopped in 20 min, unless somebody does\.", event.message
    )
    text = page(owner, job)
    assert "Nobody uses it." in text
    assert re.search(r"It is stopped in (20|19) min, unless somebody does", text)
    assert 'id="job-keep"' in text
    for _ in range(2):
        chores.mail_about_app(endpoint_of(job).pk)
    (sent,) = mail.outbox
    assert sent.subject == f"Job {job.number} is stopped soon: Pi by chance"
    assert f"/jobs/{job.number}/" in sent.body


def test_keep_running_by_the_button_takes_the_warning_away(owner: User) -> None:
    job = make_serving_job(owner)
    age(open_it(job), hours=7, minutes=59)
    look(job)
    client = Client()
    client.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.post(f"/jobs/{job.number}/keep/", follow=True)
    assert f"Job {job.number} is kept running." in answer.content.decode()
    assert 'id="job-idle"' not in answer.content.decode()
    assert look(job) == {}
    assert job.events.latest("id").message == f"{owner.username} still needs it."
    age(endpoint_of(job), hours=7, minutes=45)
    look(job)
    assert job.events.filter(kind="idle").count() == 2, "it is warned of anew"


def test_traffic_takes_the_warning_away_too(owner: User) -> None:
    job = make_serving_job(owner)
    age(open_it(job), hours=7, minutes=45)
    look(job)
    assert idle.stops_in(job) is not None
    Endpoint.objects.update(last_traffic_at=Now())
    look(job)
    assert idle.stops_in(job) is None
    assert endpoint_of(job).idle_warned_at is None


def test_one_endpoint_that_is_used_is_enough(owner: User) -> None:
    job = make_serving_job(owner)
    age(open_it(job), hours=9)
    shell = endpoints.declare(endpoint_of(job).attempt, kind=Endpoint.Kind.TERMINAL)
    Endpoint.objects.filter(pk=shell.pk).update(last_traffic_at=Now())
    assert look(job) == {}


@pytest.mark.parametrize("command", [{}, {"publicip": True}, {"interactive": True, "noconnect": True}])
def test_what_is_not_connected_to_here_is_never_stopped(owner: User, command: dict[str, Any]) -> None:
    job = make_serving_job(owner, command=command)
    shell = endpoints.declare(job.tasks.get().attempts.get(), kind=Endpoint.Kind.TERMINAL)
    age(shell, hours=99)
    assert look(job) == {}
    assert not Endpoint.objects.exclude(idle_warned_at=None).exists()


def test_by_default_nothing_is_stopped(owner: User, settings: Any) -> None:
    settings.IDLE_STOP_HOURS = 0
    job = make_serving_job(owner)
    age(open_it(job), days=99)
    assert look(job) == {}
    assert 'id="job-idle"' not in page(owner, job)


def test_one_hour_is_warned_of_after_half_of_it(owner: User, settings: Any) -> None:
    settings.IDLE_STOP_HOURS = 1
    job = make_serving_job(owner)
    age(open_it(job), minutes=31)
    assert look(job) == {}
    assert job.events.filter(kind="idle").exists()


def test_who_may_connect_keeps_it_and_operators_and_nobody_else(
    owner: User, teammate: User, operator: User, curator: User
) -> None:
    job = make_serving_job(owner, team=make_team(owner, teammate))
    open_it(job)
    for person in (owner, teammate, operator):
        services.keep_running(job=job, actor=person)
    with pytest.raises(Forbidden):
        services.keep_running(job=job, actor=curator)


def test_what_has_ended_or_serves_nothing_can_not_be_kept(owner: User) -> None:
    for job in (make_serving_job(owner, state=JobState.SUCCEEDED), make_serving_job(owner, command={})):
        with pytest.raises(Conflict, match="serves nothing that could be kept"):
            services.keep_running(job=job, actor=owner)
