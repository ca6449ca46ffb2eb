"""The hosts' page: for operators, and what it says of what is up and missing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from jobs.states import JobState
from portal.people.models import AuditEvent, User
from tests.factories import make_host, make_job, make_machine
from tests.jobs.pages import client_of, page

pytestmark = pytest.mark.django_db


def test_hosts_are_for_operators(as_owner: Client, operator: User, curator: User) -> None:
    make_host("one")
    for client, status in ((as_owner, 403), (client_of(curator), 403), (client_of(operator), 200)):
        assert client.get("/hosts/").status_code == status
        drained = client.post("/hosts/one/drain/").status_code
        assert drained == (302 if status == 200 else 403)


def test_hosts_page_says_what_is_up_and_what_is_missing(operator: User, owner: User) -> None:
    client = client_of(operator)
    make_machine("n1")
    make_machine("gpu1", requires=["gpu=a100"])
    make_host("one", serves={"n1": 2}, tags=["cpu=epyc"])
    make_host("gone", heartbeat_at=timezone.now() - timedelta(hours=1))
    make_host("sick", engine_fault="The Docker Engine does not answer.")
    make_job(owner, state=JobState.RUNNING)
    text = page(client, "/hosts/")
    for words in ("1 of 2", "cpu=epyc", "does not answer", "gpu=a100", "Down", "Engine away"):
        assert words in text, words
    client.post("/hosts/one/drain/")
    assert "Take work again" in page(client, "/hosts/")
    assert client.post("/hosts/none/drain/").status_code == 404
    assert AuditEvent.objects.filter(action="host.drain", target="one").exists()
