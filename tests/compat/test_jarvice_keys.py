"""Who may come through the JARVICE door: a person's own live key with its scope, and never a cookie."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from jobs.jarvice.urls import ENDPOINTS
from jobs.models import Job
from jobs.states import JobState
from portal.errors import Invalid
from portal.people import tokens
from portal.people.models import SCOPES, ApiToken, AuditEvent, User
from tests.compat.conftest import client_of, key_of
from tests.compat.jarvice_client import BODIES, JarviceClient
from tests.factories import make_app, make_job, make_machine, make_version

pytestmark = pytest.mark.usefixtures("door")
OPEN = {"live", "ready", "validate"}
CLOSED = [endpoint.name for endpoint in ENDPOINTS if endpoint.name not in OPEN]
ON_A_JOB = ("status", "info", "connect", "tail", "output", "metrics", "shutdown", "terminate", "signal", "action")


@pytest.mark.parametrize("endpoint", CLOSED)
@pytest.mark.slow
def test_nobody_and_a_cookie_alone_are_401(owner: User, client: Client, endpoint: str) -> None:
    client.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    cookies = {name: morsel.value for name, morsel in client.cookies.items()}
    for nobody in (JarviceClient(), JarviceClient(cookies=cookies)):
        for shape in ("get", *BODIES):
            assert "apikey" in nobody.shaped(shape).error(endpoint, 401)
    assert not AuditEvent.objects.filter(action="jarvice.failed").exists()


@pytest.mark.parametrize("shape", BODIES)
@pytest.mark.parametrize("endpoint", ["jobs", "submit"])
def test_a_key_is_taken_from_wherever_clients_put_it(owner: User, shape: Any, endpoint: str) -> None:
    make_machine("n1")
    make_version(make_app(slug="pi"))
    who = {"username": "owner", "apikey": key_of(owner)}
    client = JarviceClient().shaped(shape)
    assert client.raw(endpoint, {"app": "pi", **who}).status_code == 200
    assert client.raw(endpoint, {"app": "pi", "user": who}).status_code == 200


def test_a_key_in_the_query_goes_with_a_body(owner: User) -> None:
    make_machine("n1")
    make_version(make_app(slug="pi"))
    address = f"/api/jarvice/submit?username=owner&apikey={key_of(owner)}"
    assert JarviceClient().ask("POST", address, b'{"app": "pi"}').status_code == 200


def wrong_keys(owner: User, stranger: User) -> dict[str, JarviceClient]:
    past = timezone.now() - timedelta(seconds=1)
    revoked = key_of(owner)
    ApiToken.objects.filter(hash=ApiToken.hash_of(revoked)).update(revoked_at=past)
    return {
        "an unknown key": JarviceClient("owner", "slw_" + "x" * 43),
        "an expired key": client_of(owner, expires_at=past),
        "a revoked key": JarviceClient("owner", revoked),
        "another's key": JarviceClient("owner", key_of(stranger)),
        "a key with another's name": JarviceClient("stranger", key_of(owner)),
        "the name in capitals": JarviceClient("OWNER", key_of(owner)),
        "a name that nobody has": JarviceClient("nobody", key_of(owner)),
        "no name": JarviceClient("", key_of(owner)),
        "no key": JarviceClient("owner", ""),
        "the password": JarviceClient("owner", "a long enough one"),
        "a key without the scope": client_of(owner, "read", "launch"),
    }


def test_a_key_that_does_not_fit_is_401_and_does_nothing(owner: User, stranger: User, settings: Any) -> None:
    settings.LOGIN_ATTEMPTS = 50
    job = make_job(owner, state=JobState.RUNNING)
    for what, client in wrong_keys(owner, stranger).items():
        assert client.send("terminate", number=job.number).status_code == 401, what
    job.refresh_from_db()
    assert job.cancel_requested_at is None


def test_a_person_who_was_switched_off_is_401(owner: User) -> None:
    client = client_of(owner)
    assert client.json("jobs") == {}
    owner.is_active = False
    owner.save()
    client.error("jobs", 401)


def test_a_key_of_this_door_opens_no_other(owner: User) -> None:
    key = key_of(owner)
    for address in ("/api/v1/apps", "/api/v1/jobs", "/api/v1/tokens", "/api/v1/vaults"):
        answer = Client().get(address, headers={"Authorization": f"Bearer {key}"})
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    made = Client().post("/api/v1/jobs", {}, "application/json", headers={"Authorization": f"Bearer {key}"})
    assert made.status_code == 403


def test_roles_count_only_where_the_key_has_their_scope(owner: User, operator: User) -> None:
    job = make_job(owner)
    client_of(operator).error("status", 404, number=job.number)
    assert client_of(operator, "jarvice", "operate").json("status", number=job.number)


def test_the_key_of_a_job_works_until_it_is_revoked(owner: User) -> None:
    job = make_job(owner, state=JobState.RUNNING)
    client = client_of(owner)
    rows = ApiToken.objects.filter(user=owner)
    rows.update(job_number=job.number)
    assert client.json("shutdown", number=job.number) == {"status": "shutdown requested"}
    rows.update(revoked_at=timezone.now())
    client.error("jobs", 401)


def test_the_use_of_a_key_is_noted(owner: User) -> None:
    client = client_of(owner)
    client.json("jobs")
    used = ApiToken.objects.get(user=owner).last_used_at
    assert used is not None
    assert timezone.now() - used < timedelta(seconds=30)


# Failing too often


def test_failed_attempts_are_limited_and_audited(owner: User, stranger: User, settings: Any) -> None:
    settings.LOGIN_ATTEMPTS = 3
    right, wrong = client_of(owner), JarviceClient("owner", "slw_" + "x" * 43)
    answers = [wrong.send("jobs").status_code for _ in range(6)]
    assert answers == [401] * 3 + [429] * 3
    rows = AuditEvent.objects.filter(action="jarvice.failed")
    assert [(row.target, row.address, row.actor) for row in rows] == [("owner", "127.0.0.1", None)] * 3
    assert right.json("jobs") == {}  # a stranger's failures don't stop the one whose key is right
    assert client_of(stranger).json("jobs") == {}


def test_an_address_that_tries_many_names_is_limited_too(owner: User, settings: Any) -> None:
    settings.LOGIN_ATTEMPTS = 1
    answers = [JarviceClient(f"guess{n}", "slw_x").send("jobs").status_code for n in range(45)]
    assert answers.count(401) <= 40  # 20 a minute, and a minute may begin in between
    assert answers[-1] == 429


def test_a_key_sent_as_the_name_by_mistake_is_not_kept(owner: User) -> None:
    key = key_of(owner)
    JarviceClient(key, "owner").error("jobs", 401)
    assert AuditEvent.objects.get(action="jarvice.failed").target == "slw_..."


# Whose jobs


@pytest.mark.slow
def test_each_person_reaches_their_own_jobs_and_those_of_their_team(
    owner: User, teammate: User, stranger: User
) -> None:
    mine = make_job(owner, state=JobState.RUNNING)
    shared = make_job(owner, state=JobState.RUNNING, team=owner.teams.get())
    people = {"owner": client_of(owner), "teammate": client_of(teammate), "stranger": client_of(stranger)}
    seen = {name: set(client.json("jobs")) for name, client in people.items()}
    assert seen == {"owner": {str(mine.number), str(shared.number)}, "teammate": set(), "stranger": set()}
    seen = {name: set(client.json("teamjobs")) for name, client in people.items()}
    assert seen == {
        "owner": {str(mine.number), str(shared.number)},
        "teammate": {str(shared.number)},
        "stranger": set(),
    }
    people["teammate"].json("status", number=shared.number)
    people["teammate"].json("status", name=shared.name)
    people["teammate"].text("tail", number=shared.number)
    for job, who in ((mine, "teammate"), (mine, "stranger"), (shared, "stranger")):
        for endpoint in ON_A_JOB:
            for sought in ({"number": job.number}, {"name": job.name}):
                people[who].error(endpoint, 404, action="x", **sought)


@pytest.mark.parametrize("endpoint", ["shutdown", "terminate", "signal"])
def test_a_teammate_may_look_and_not_touch(owner: User, teammate: User, endpoint: str) -> None:
    shared = make_job(owner, state=JobState.RUNNING, team=owner.teams.get())
    assert client_of(teammate).error(endpoint, 404, number=shared.number) == "Running job is not found"
    shared = Job.objects.get(pk=shared.pk)
    assert (shared.cancel_requested_at, shared.pause_requested_at) == (None, None)


def test_anothers_app_can_not_be_submitted(owner: User, stranger: User) -> None:
    make_machine("n1")
    make_version(make_app(slug="hidden", visibility="teams"))
    for name in ("hidden", "Pi by chance", "x-hidden"):
        assert "Application not found" in client_of(stranger).error("submit", 404, app=name)
    assert not Job.objects.exists()


# The page of tokens


def test_the_scope_is_offered_only_where_the_door_is_open(owner: User, settings: Any, client: Client) -> None:
    client.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    assert "jarvice" in tokens.scopes_for(owner)
    assert b'value="jarvice"' in client.get("/account/tokens/").content
    settings.JARVICE_API = False
    assert "jarvice" not in tokens.scopes_for(owner)
    assert b'value="jarvice"' not in client.get("/account/tokens/").content
    assert "jarvice" in SCOPES
    with pytest.raises(Invalid, match="not open here"):
        tokens.issue(user=owner, name="x", scopes=["jarvice"])
