"""A web process killed in the middle of submits, and many clients with one key: one job or none, and never two."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from jobs import services
from jobs.models import IdempotencyKey, Job, Task
from portal.people import tokens
from tests.faults.site import Process, Site

pytestmark = [pytest.mark.faults, pytest.mark.docker]
KILLS = 6
AT_ONCE = 10


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Client:
    """Submits over REST to one web process."""

    def __init__(self, site: Site, text: str) -> None:
        self.port = free_port()
        self.headers = {"Authorization": f"Bearer {text}", "Content-Type": "application/json"}
        self.slug = site.version.app.slug
        self.web: Process = site.web(self.port, ready=False)

    def submit(self, key: str, machine: str) -> tuple[int, dict[str, Any]] | None:
        """Status and body; None when the process went away."""
        body = {"app": self.slug, "parameters": {"script": "true"}, "machine": machine, "vault": "NONE", "label": key}
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            with contextlib.closing(client):
                client.request("POST", "/api/v1/jobs", json.dumps(body), self.headers | {"Idempotency-Key": key})
                answer = client.getresponse()
                return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            return None


@pytest.fixture
def token(site: Site) -> str:
    return tokens.issue(user=site.owner, name="faults", scopes=["read", "launch"])[1]


def whole_or_not_at_all(key: str) -> int:
    """How many jobs the key made. One has its task, its first event and its key."""
    numbers = list(Job.objects.filter(label=key).values_list("number", flat=True))
    for number in numbers:
        assert Task.objects.filter(job_id=number).count() == 1
        assert Job.objects.get(pk=number).events.filter(kind="submitted").count() == 1
        assert IdempotencyKey.objects.get(key=key).job_id == number
    if not numbers:
        assert not IdempotencyKey.objects.filter(key=key).exists()
    return len(numbers)


def test_a_web_process_killed_in_mid_submit_leaves_one_job_or_none(site: Site, token: str) -> None:
    site.machine("unserved")
    chance = random.Random(4)
    clients = [Client(site, token) for _ in range(KILLS + 1)]
    for client in clients:
        client.web.ready("Uvicorn running")
        assert client.submit(f"warm-{client.port}", "unserved")
    unanswered = made = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        begun = time.monotonic()
        list(pool.map(lambda n: clients[-1].submit(f"usual-{n}", "unserved"), range(AT_ONCE)))
        usual_s = time.monotonic() - begun
        for number, (client, following) in enumerate(itertools.pairwise(clients)):
            keys = [f"kill-{number}-{n}" for n in range(AT_ONCE)]
            answers = pool.map(lambda key, client=client: client.submit(key, "unserved"), keys)
            # From early, when all are cut off, to late, when some have been answered, on a machine of any speed.
            time.sleep(usual_s * (0.2 + 0.4 * number) * chance.uniform(0.8, 1.2))
            client.web.kill()
            answered = dict(zip(keys, answers, strict=True))
            unanswered += sum(answer is None for answer in answered.values())
            counts = {key: whole_or_not_at_all(key) for key in keys}
            assert set(counts.values()) <= {0, 1}
            assert all(counts[key] == 1 for key, answer in answered.items() if answer is not None)
            made += sum(counts.values())
            again = {key: following.submit(key, "unserved") for key in keys}
            for key, answer in again.items():
                assert answer is not None
                assert answer[0] == (200 if counts[key] else 201), answer
                assert whole_or_not_at_all(key) == 1
                assert answer[1]["number"] == Job.objects.get(label=key).number
    assert unanswered, "no submit was cut off: the test proved nothing"
    assert made, "every submit was cut off: the test proved little"
    clients[-1].web.dismiss()
    for job in Job.objects.active().filter(machine_type__name="unserved"):
        services.cancel(job=job, actor=site.owner)


def test_fifty_submits_at_once_with_one_key_make_one_job(site: Site, token: str) -> None:
    site.machine("unserved")
    client = Client(site, token)
    client.web.ready("Uvicorn running")
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: client.submit("fifty", "unserved"), range(50)))
    found = [answer for answer in answers if answer is not None]
    assert len(found) == 50
    assert sorted(status for status, _ in found) == [200] * 49 + [201]
    assert len({body["number"] for _, body in found}) == 1
    assert whole_or_not_at_all("fifty") == 1
    services.cancel(job=Job.objects.get(label="fifty"), actor=site.owner)
    client.web.dismiss()
    connections.close_all()
