"""Whether what jobs serve answers, as the worker sees it: what is written, said and mailed, and when."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.core import mail

from jobs import chores, readiness
from jobs.models import Endpoint, Job
from jobs.readiness import OTHERS_AFTER_LOOKS, SILENT_LOOKS, Ears, Readiness
from jobs.relay import namespaces
from jobs.runtimes.base import Handle, Observation
from jobs.runtimes.fake import FakeRuntime
from jobs.tended import Tended
from portal.people.models import User
from tests.jobs.serving_jobs import endpoint_of, make_serving_job
from tests.watchdog import ends

pytestmark = pytest.mark.django_db


class Watching:
    """A job as a worker tends it, and the ports of its container, as a test says."""

    def __init__(self, job: Job) -> None:
        attempt = job.tasks.get().attempts.get()
        self.tended = cast(
            "Tended", SimpleNamespace(attempt=attempt, job=job, handle=Handle(attempt.name), stopping="")
        )
        self.ports: frozenset[int] | None = frozenset()
        self.readiness = Readiness(lambda tended: self.ports)

    def look(self, *ports: int, times: int = 1) -> None:
        self.ports = frozenset(ports)
        for _ in range(times):
            self.readiness.look([self.tended])


@pytest.fixture
def watching(owner: User) -> Watching:
    return Watching(make_serving_job(owner))


def kinds(job: Job) -> list[str]:
    return list(job.events.order_by("id").values_list("kind", flat=True))


def test_it_opens_when_its_port_answers_and_says_so_once(watching: Watching) -> None:
    job = watching.tended.job
    watching.look(times=3)
    assert endpoint_of(job).state == Endpoint.State.WAITING
    watching.look(8888, times=3)
    found = endpoint_of(job)
    assert (found.state, found.answered_at) == (Endpoint.State.OPEN, found.since)
    assert [(event.kind, event.message) for event in job.events.all()] == [
        ("ready", "Port 8888 answers: you can connect.")
    ]


def test_one_that_closes_again_is_said_after_some_looks_and_may_come_back(watching: Watching) -> None:
    job = watching.tended.job
    watching.look(8888)
    watching.look(times=SILENT_LOOKS - 1)
    watching.look(8888)
    assert kinds(job) == ["ready"], "a server that starts itself anew is no news"
    watching.look(times=SILENT_LOOKS)
    assert endpoint_of(job).state == Endpoint.State.WAITING
    watching.look(8888)
    assert endpoint_of(job).state == Endpoint.State.OPEN
    assert kinds(job) == ["ready", "silent", "ready"]
    assert job.events.latest("id").message == "Port 8888 answers again: you can connect."


def test_other_ports_are_noted_after_a_while_and_forgotten_when_it_answers(watching: Watching) -> None:
    job = watching.tended.job
    watching.look(5000, times=OTHERS_AFTER_LOOKS - 1)
    assert endpoint_of(job).other_ports == []
    watching.look(5000, 80)
    assert endpoint_of(job).other_ports == [80, 5000]
    watching.look(8888)
    assert endpoint_of(job).other_ports == []


def test_what_can_not_be_told_changes_nothing(watching: Watching) -> None:
    watching.look(8888)
    watching.ports = None
    for _ in range(SILENT_LOOKS + 1):
        watching.readiness.look([watching.tended])
    assert endpoint_of(watching.tended.job).state == Endpoint.State.OPEN


def test_looks_that_find_nothing_new_ask_the_database_nothing(
    watching: Watching, django_assert_num_queries: Callable[..., Any]
) -> None:
    watching.look(8888)
    with django_assert_num_queries(0):
        watching.look(8888, times=5)
        watching.look(times=SILENT_LOOKS - 1)


def test_a_job_that_serves_nothing_is_not_listened_at(owner: User) -> None:
    asked: list[Any] = []
    batch = Watching(make_serving_job(owner, command={}))
    Readiness(asked.append).look([batch.tended])
    assert asked == []


def test_an_end_beside_it_is_not_undone(watching: Watching) -> None:
    watching.look()
    Endpoint.objects.update(state=Endpoint.State.CLOSED)
    watching.look(8888)
    assert endpoint_of(watching.tended.job).state == Endpoint.State.CLOSED
    assert kinds(watching.tended.job) == []


def test_a_mail_says_that_it_is_ready_once_and_only_where_it_was_asked_for(owner: User, settings: Any) -> None:
    settings.MAIL_ENABLED = True
    asked, not_asked = (Watching(make_serving_job(owner, notify=notify)) for notify in (True, False))
    for one in (asked, not_asked):
        one.look(8888)
        one.look(times=SILENT_LOOKS)
        one.look(8888)
        for _ in range(2):
            chores.mail_about_app(endpoint_of(one.tended.job).pk)
    (sent,) = mail.outbox
    job = asked.tended.job
    assert sent.to == [owner.email]
    assert sent.subject == f"Job {job.number} is ready: Pi by chance"
    assert f"http://127.0.0.1:8000/jobs/{job.number}/" in sent.body


def test_a_mail_that_the_server_refuses_is_sent_later(owner: User, settings: Any) -> None:
    settings.MAIL_ENABLED = True
    one = Watching(make_serving_job(owner, notify=True))
    one.look(8888)
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = (
        "django.core.mail.backends.smtp.EmailBackend",
        "127.0.0.1",
        1,
    )
    with pytest.raises(OSError, match="refused"):
        chores.mail_about_app(endpoint_of(one.tended.job).pk)
    assert endpoint_of(one.tended.job).mail_due == readiness.READY


def test_where_it_can_not_be_told_the_engine_is_not_asked_every_second(watching: Watching) -> None:
    class Counting(FakeRuntime):
        asked = 0

        def observe(self, handle: Handle) -> Observation:
            self.asked += 1
            return super().observe(handle)

    runtime = Counting()
    ears = Ears(runtime)
    for _ in range(5):
        assert ears(watching.tended) is None
    assert runtime.asked == 1, "the container is gone, as far as this engine knows"
    ears.keep([])
    assert ears(watching.tended) is None
    assert runtime.asked == 2


# -- the kernel's word ------------------------------------------------------------------------------------------------

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:22B8 00000000:0000 0A 00000000:00000000 00:00000000 00000000   505        0 1 1 0 100 0 0 10 0
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000   505        0 2 1 0 100 0 0 10 0
   2: 0100007F:1F91 0100007F:8000 01 00000000:00000000 00:00000000 00000000   505        0 3 1 0 100 0 0 10 0
   3: 020011AC:1F92 00000000:0000 0A 00000000:00000000 00:00000000 00000000   505        0 4 1 0 100 0 0 10 0
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
   0: 00000000000000000000000000000000:1770 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
   1: 00000000000000000000000001000000:1771 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
   2: 000080FE00000000FF005450B6AB1DFE:1772 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
"""


@pytest.mark.parametrize(("text", "ports"), [(TCP, {8888, 8080}), (TCP6, {6000, 6001}), ("", set())])
def test_the_kernels_table_tells_who_listens_where_loopback_gets_in(tmp_path: Path, text: str, ports: set[int]) -> None:
    table = tmp_path / "tcp"
    table.write_text(text)
    assert namespaces.listening_of(table) == ports


def test_a_kernel_without_ipv6_has_no_such_table(tmp_path: Path) -> None:
    assert namespaces.listening_of(tmp_path / "none") == frozenset()


@pytest.fixture
def apart() -> Iterator[int]:
    """The descriptor of a network namespace in which a program listens on port 8890 of loopback."""
    code = (
        "import os, socket, fcntl, struct, ctypes\n"
        "assert ctypes.CDLL(None).unshare(0x40000000) == 0\n"
        "s = socket.socket()\n"
        "fcntl.ioctl(s, 0x8914, struct.pack('16sh14x', b'lo', 0x49))\n"
        "s.bind(('127.0.0.1', 8890)); s.listen(); print('ready', flush=True); input()\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    if child.stdout.readline() != "ready\n":
        child.communicate()
        pytest.skip("only root may make a network namespace here")
    descriptor = (Path("/proc") / str(child.pid) / "ns" / "net").open()
    try:
        yield descriptor.fileno()
    finally:
        descriptor.close()
        child.communicate("\n")


def test_in_another_namespace_its_own_listeners_are_seen_and_not_ours(apart: int) -> None:
    if namespaces.fault():
        pytest.skip(namespaces.fault())
    assert namespaces.listening_within(apart) == {8890}
    with ends():
        for _ in range(50):  # what a look leaves open would end them
            assert namespaces.listening_within(apart) == {8890}
