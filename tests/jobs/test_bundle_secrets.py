"""S31, of bundles: a launch says which secret is missing and where to add it; what it holds is in nothing that is kept or shown."""

from __future__ import annotations

import json
import logging

import pytest
from django.core import serializers
from django.test import Client

from jobs import stage_secrets
from jobs.models import Attempt, Job, JobEvent, JobStage, Task
from jobs.runtimes.base import RuntimeFault
from jobs.services import fan_out
from jobs.states import Stage
from portal.errors import Invalid
from portal.people.models import AuditEvent, User
from tests.factories import make_machine, make_secret, make_team
from tests.jobs.bundles import asked, begin, make_bundle

pytestmark = pytest.mark.django_db
HIDDEN = "correct-horse-7f3a"


def test_a_missing_secret_is_named_with_the_place_to_add_it(owner: User) -> None:
    make_machine()
    app = make_bundle(platform_config={"secrets": ["S3_RESULTS", "OTHER"]})
    make_secret(owner, "OTHER")
    with pytest.raises(Invalid) as refused:
        fan_out.submit(owner=owner, asked=asked(app=app))
    [fault] = refused.value.faults
    assert fault.pointer == "/app"
    assert "needs the secret 'S3_RESULTS'" in fault.message
    assert "/account/secrets/" in fault.message
    assert not Job.objects.exists()


def test_a_persons_own_goes_before_a_teams(owner: User, teammate: User) -> None:
    team = make_team(owner, teammate)
    make_secret(team, "A", value="the team's")
    assert stage_secrets.variables(owner, ["A"]) == {"A": "the team's"}
    make_secret(owner, "A", value="mine")
    assert stage_secrets.variables(owner, ["A"]) == {"A": "mine"}
    assert stage_secrets.variables(teammate, ["A"]) == {"A": "the team's"}


def test_keys_come_as_two_variables_and_a_registrys_login_never(owner: User) -> None:
    make_secret(owner, "S3.RESULTS", "keys", access_key="a", secret_key=HIDDEN)
    found = stage_secrets.variables(owner, ["S3.RESULTS"])
    assert found == {"S3_RESULTS_ACCESS_KEY": "a", "S3_RESULTS_SECRET_KEY": HIDDEN}
    make_secret(owner, "LOGIN", "registry", registry="ghcr.io", username="a", password=HIDDEN)
    with pytest.raises(RuntimeFault) as refused:
        stage_secrets.variables(owner, ["LOGIN"])
    assert HIDDEN not in str(refused.value)


def test_nothing_that_is_kept_or_shown_of_a_job_holds_it(
    owner: User, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    make_machine()
    make_secret(owner, "TOKEN", value=HIDDEN)
    app = make_bundle(platform_config={"secrets": ["TOKEN"]})
    job = fan_out.submit(owner=owner, asked=asked(app=app)).job
    begin(job)
    assert JobStage.objects.get(job=job, stage=Stage.RUN).plan["secrets"] == ["TOKEN"]
    kept = [
        serializers.serialize("json", model._default_manager.all())
        for model in (Job, JobStage, Task, Attempt, JobEvent, AuditEvent)
    ]
    assert HIDDEN not in "".join(kept)
    client.force_login(owner)
    for address in (
        f"/jobs/{job.number}/",
        f"/jobs/{job.number}/inputs/",
        f"/api/v1/jobs/{job.number}",
        f"/apps/{app.app.slug}/",
    ):
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert HIDDEN not in answer.content.decode()
    assert HIDDEN not in caplog.text
    assert HIDDEN not in json.dumps(job.plan)


def test_one_that_goes_while_a_job_waits_ends_its_task_with_the_place_to_add_it(owner: User) -> None:
    with pytest.raises(RuntimeFault, match=r"The secret 'GONE'.* is gone\. Add it at /account/secrets/") as refused:
        stage_secrets.variables(owner, ["GONE"])
    assert not refused.value.retry
