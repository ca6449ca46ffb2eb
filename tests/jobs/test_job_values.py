"""What one job alone has: random letters, its key, account variables, the users of its image; made at the start, stored nowhere."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.core import serializers
from django.db import connection
from django.utils import timezone

from apps_catalog.launch.plan import plan
from apps_catalog.launch.spec import RunPlan
from apps_catalog.models import Version
from jobs import job_values, services, stages
from jobs.claim import claim
from jobs.job_values import ImageTexts, values_of
from jobs.models import Attempt, Job
from jobs.models.jobs import LostRace
from jobs.runtimes.fake import FakeRuntime
from jobs.states import FailureClass, JobState
from portal.people import account_variables
from portal.people.models import ApiToken, AuditEvent, User
from tests.apps_catalog.launch import generate
from tests.apps_catalog.launch.generate import definition
from tests.factories import make_host, make_job, make_machine, make_team, make_version
from tests.jobs import every_key
from tests.jobs.outputs import whole_log
from tests.jobs.workers import Start, ended, launch, running, seen

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
in_threads = pytest.mark.django_db(transaction=True)  # the slots' threads see what is committed
CANARY = "canary-91d2-value"


def constant(value: str, **over: Any) -> dict[str, Any]:
    return {"type": "CONST", "value": value, "name": "n", "description": "d", "required": True, **over}


def wanting_a_key() -> Version:
    parameters = {"key": constant("%APIKEY%", positional=True), "MY_KEY": constant("<%APIKEY%>", variable=True)}
    return make_version(definition=definition(parameters))


# -- random values ----------------------------------------------------------------------------------------------------


def test_the_same_job_always_has_the_same_letters_and_another_job_others(owner: User, settings: Any) -> None:
    one, two = make_job(owner), make_job(owner)
    first = job_values.letters(one, "random", 128)
    assert first == job_values.letters(Job.objects.get(pk=one.pk), "random", 128)
    assert len(first) == 128
    assert first.isascii()
    assert first.isalnum()
    others = [job_values.letters(two, "random", 128), job_values.letters(one, "password", 128)]
    settings.SECRETS_KEY = "another key of this installation, long enough"
    others.append(job_values.letters(one, "random", 128))
    assert len({first, *others}) == 4


def test_every_letter_is_as_likely_as_the_others(owner: User) -> None:
    job = make_job(owner)
    count = Counter("".join(job_values.letters(job, str(turn), 128) for turn in range(480)))
    assert len(count) == 62
    mean = 480 * 128 / 62
    assert all(abs(times - mean) < 6 * mean**0.5 for times in count.values()), count


# -- the key ----------------------------------------------------------------------------------------------------------


@in_threads
def test_a_key_works_while_the_job_runs_and_never_after(
    owner: User, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    specs, files, runtime = seen(duration_s=1.5)
    version = wanting_a_key()
    version.app.created_by = owner
    version.app.save()
    start(runtime)
    job = launch(owner, version=version, command="go", parameters={})
    running(job)
    text = specs[0].argv[-1]
    assert text.startswith("slw_")
    assert len(text) == 47
    assert f"MY_KEY='<{text}>'" in files["/etc/JARVICE/jobenv.sh"]
    token = ApiToken.objects.presented(text)
    assert token is not None
    assert (token.user, token.scopes, token.job_number) == (owner, ["jarvice"], job.number)
    assert token.expires_at is not None
    most = timezone.now() + timedelta(seconds=job.walltime_s) + timedelta(hours=2)
    assert timezone.now() + timedelta(seconds=job.walltime_s) < token.expires_at < most
    assert ended(job).state == JobState.SUCCEEDED
    assert ApiToken.objects.presented(text) is None
    assert text not in everything_stored() + whole_log(Attempt.objects.get()).decode() + caplog.text
    assert [e.action for e in AuditEvent.objects.filter(action__startswith="token").order_by("id")] == [
        "token.created",
        "token.revoked",
    ]


def everything_stored() -> str:
    """All rows of jobs, tokens and the trail as text."""
    rows = [*Job.objects.all(), *Attempt.objects.all(), *ApiToken.objects.all(), *AuditEvent.objects.all()]
    rows += [event for job in Job.objects.all() for event in job.events.all()]
    return str(serializers.serialize("json", rows))


@pytest.mark.parametrize("how", ["cancelled", "failed", "lost"])
def test_however_a_job_ends_its_key_ends_with_it(owner: User, how: str) -> None:
    version = wanting_a_key()
    Version.objects.filter(pk=version.pk).update(certified=True)
    version.refresh_from_db()
    make_machine("n1")
    job = launch(owner, version=version, command="go", parameters={})
    text = values_of(job, RunPlan.from_json(job.plan)).api_key
    assert ApiToken.objects.presented(text) is not None
    if how == "cancelled":
        services.cancel(job=job, actor=owner)
    else:
        host = make_host()
        found = claim(host=host, incarnation=host.incarnation, machine_id=job.machine_type_id, slot=0, prefix="slipway")
        assert found is not None
        failure = FailureClass.INFRA if how == "lost" else FailureClass.USER
        stages.settle(found, stages.Outcome(failure, "Gone."))
    job.refresh_from_db()
    assert job.terminal
    assert ApiToken.objects.presented(text) is None
    with pytest.raises(LostRace, match="has ended"):
        values_of(job, RunPlan.from_json(job.plan))
    assert ApiToken.objects.presented(text) is None


def test_a_second_start_finds_the_key_of_the_first_and_one_that_was_revoked_stays_so(owner: User) -> None:
    version = wanting_a_key()
    version.app.created_by = owner
    version.app.save()
    make_machine("n1")
    job = launch(owner, version=version, command="go", parameters={})
    made = RunPlan.from_json(job.plan)
    first, second = (values_of(job, made).api_key for _ in range(2))
    assert first == second
    assert ApiToken.objects.count() == 1
    ApiToken.objects.update(revoked_at=timezone.now())
    assert values_of(job, made).api_key == first
    assert ApiToken.objects.presented(first) is None


@in_threads
def test_who_is_not_trusted_gets_no_key_and_no_token_is_made(owner: User, stranger: User, start: Start) -> None:
    specs, _, runtime = seen()
    version = wanting_a_key()
    version.app.created_by = stranger
    version.app.save()
    start(runtime)
    assert ended(launch(owner, version=version, command="go", parameters={})).state == JobState.SUCCEEDED
    assert specs[0].argv[-1] == "%APIKEY%"
    assert not ApiToken.objects.exists()


def test_a_certificate_that_is_taken_back_before_the_start_takes_the_key_with_it(owner: User) -> None:
    version = wanting_a_key()
    Version.objects.filter(pk=version.pk).update(certified=True)
    version.refresh_from_db()
    make_machine("n1")
    job = launch(owner, version=version, command="go", parameters={})
    Version.objects.filter(pk=version.pk).update(certified=False)
    assert values_of(Job.objects.get(pk=job.pk), RunPlan.from_json(job.plan)).api_key == ""
    assert not ApiToken.objects.exists()


def test_a_jobs_token_is_not_among_ones_own(owner: User, as_owner: Any) -> None:
    ApiToken.objects.create(user=owner, name="Job 7", prefix="slw_xxxxxx", hash="0" * 64, job_number=7)
    assert "Job 7" not in as_owner.get("/account/tokens/").content.decode()
    assert as_owner.get("/api/v1/tokens").json()["items"] == []


# -- account variables ------------------------------------------------------------------------------------------------


@pytest.fixture
def licensed() -> Version:
    make_machine("n1")
    return make_version(definition=every_key.definition())


@in_threads
def test_the_value_reaches_the_job_alone(owner: User, licensed: Version, start: Start, as_owner: Any) -> None:
    account_variables.set_variable(name="LICENSE_SERVER", value=f"{CANARY} 'quoted'", team=make_team(owner))
    specs, files, runtime = seen()
    start(runtime)
    job = launch(owner, version=licensed, command="desk", parameters={})
    Job.objects.filter(pk=job.pk).update(priority=1)
    assert ended(job).state == JobState.SUCCEEDED
    assert f"LICENSE_SERVER='{CANARY} '\\''quoted'\\'''" in files["/etc/JARVICE/jobenv.sh"]
    (spec,) = specs
    assert CANARY not in str(spec)
    assert CANARY not in everything_stored() + whole_log(Attempt.objects.get()).decode()
    for path in (f"/jobs/{job.number}/", f"/api/v1/jobs/{job.number}", f"/jobs/{job.number}/log/"):
        assert CANARY not in as_owner.get(path).content.decode()


@in_threads
def test_the_folder_of_secrets_is_closed_to_others_and_gone_afterwards(
    owner: User, licensed: Version, start: Start, settings: Any
) -> None:
    account_variables.set_variable(name="LICENSE_SERVER", value=CANARY, user=owner)
    _, _, runtime = seen(duration_s=1.5)
    start(runtime)
    job = launch(owner, version=licensed, command="desk", parameters={})
    attempt = running(job)
    folder = settings.WORK_ROOT / attempt.host.name / attempt.name
    assert (folder / "files").stat().st_mode & 0o777 == 0o700
    ended(job)
    until = time.monotonic() + 5
    while folder.exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert not folder.exists()


@in_threads
def test_a_required_value_that_is_gone_by_the_start_fails_the_job_by_its_name(
    owner: User, licensed: Version, start: Start
) -> None:
    account_variables.set_variable(name="LICENSE_SERVER", value=CANARY, user=owner)
    job = launch(owner, version=licensed, command="desk", parameters={})
    account_variables.unset_variable(name="LICENSE_SERVER", user=owner)
    specs, _, runtime = seen()
    start(runtime)
    job = ended(job)
    assert (job.state, job.failure_class, specs) == (JobState.FAILED, FailureClass.INFRA, [])
    assert "LICENSE_SERVER" in job.reason
    assert "Ask an operator" in job.reason
    assert Attempt.objects.filter(task__job=job).count() == 1


@in_threads
def test_an_optional_value_that_is_gone_by_the_start_is_left_out(owner: User, licensed: Version, start: Start) -> None:
    for name in ("LICENSE_SERVER", "REGION"):
        account_variables.set_variable(name=name, value=CANARY, user=owner)
    job = launch(owner, version=licensed, command="desk", parameters={})
    account_variables.unset_variable(name="REGION", user=owner)
    _, files, runtime = seen()
    start(runtime)
    assert ended(job).state == JobState.SUCCEEDED
    assert "REGION" not in files["/etc/JARVICE/jobenv.sh"]


@in_threads
def test_a_key_of_the_installation_that_was_changed_is_told_without_any_value(
    owner: User, licensed: Version, start: Start, settings: Any
) -> None:
    account_variables.set_variable(name="LICENSE_SERVER", value=CANARY, user=owner)
    job = launch(owner, version=licensed, command="desk", parameters={})
    settings.SECRETS_KEY = "another key of this installation, long enough"
    with pytest.raises(Exception, match="SECRETS_KEY") as caught:
        values_of(job, RunPlan.from_json(job.plan))
    assert CANARY not in str(caught.value)


# -- the users of the image -------------------------------------------------------------------------------------------


@in_threads
def test_the_job_finds_the_users_of_its_image_and_itself_and_the_second_job_asks_nothing(
    owner: User, start: Start
) -> None:
    _, files, runtime = seen()
    start(runtime)
    version = make_version(definition=definition(identity={"username": "sim", "group": "crew"}))
    for _ in range(2):
        assert ended(launch(owner, version=version, command="go", parameters={})).state == JobState.SUCCEEDED
    assert runtime.read == [(version.image_pinned, "/etc/passwd"), (version.image_pinned, "/etc/group")]
    assert [line.split(":")[0] for line in files["/etc/passwd"].splitlines()] == ["root", "nobody", "sim"]
    assert [line.split(":")[0] for line in files["/etc/group"].splitlines()] == ["root", "video", "crew"]


def test_an_image_by_name_alone_is_asked_again_and_one_without_users_serves() -> None:
    runtime, users = FakeRuntime(), ImageTexts()
    by_name = plan(generate.launch(generate.read(definition()), {}), generate.site(image="python:3"))
    assert [users.users(runtime, by_name) for _ in range(2)] == [("", "")] * 2
    assert len(runtime.read) == 4
    as_root = plan(
        generate.launch(generate.read(definition()), {}), generate.site(image="sha256:" + "0" * 64, runs_as_root=True)
    )
    assert users.users(runtime, as_root) == ("", "")
    assert len(runtime.read) == 4


def test_nothing_of_a_job_is_kept_beside_its_rows(owner: User) -> None:
    """No column holds what follows from the key."""
    job = make_job(owner)
    values = values_of(job, RunPlan.from_json(PLAN))
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(job)::text FROM jobs_job job WHERE number = %s", [job.number])
        row = cursor.fetchone()[0]
    assert values.random128 not in row
    assert values.password not in row
    assert json.loads(row)["code"] == job.code


PLAN: dict[str, Any] = {
    "image": "image", "argv": ["true"], "env": {}, "files": [], "mounts": [], "uid": 505, "gid": 505,
    "workdir": "/tmp",
    "limits": {"cores": 1, "memory_mib": 64, "gpus": 0, "pids": 9, "disk_mib": 9, "walltime_s": 60, "network": "none"},
}  # fmt: skip
