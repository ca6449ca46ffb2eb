"""The first lines of a log: said once, by whoever comes first, and counted like all others."""

from __future__ import annotations

import time
from typing import Any

import pytest

from jobs.models import Attempt, Host, Job, LogChunk
from portal.people.models import User
from tests.apps_catalog.launch.generate import definition
from tests.factories import make_version
from tests.jobs.outputs import whole_log
from tests.jobs.workers import Start, ended, launch, running, seen

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_log_opens_with_our_lines_and_one_rule_of_79(owner: User, start: Start) -> None:
    _, _, runtime = seen()
    start(runtime)
    job = ended(launch(owner, command="throw"))
    lines = whole_log(Attempt.objects.get()).decode().splitlines()
    assert lines == [
        f"INIT[1]: Initializing job {job.name}",
        "INIT[1]: Machine type n1: 1 cores, 1024 MiB; nodes: 1",
        "INIT[1]: Starting the program",
        "#" * 79,
        "out",
    ]


def test_verboseinit_tells_image_user_and_mounts_and_no_path_of_the_host(
    owner: User, start: Start, settings: Any
) -> None:
    _, _, runtime = seen()
    start(runtime)
    version = make_version(
        definition=definition(command={"verboseinit": True}, identity={"username": "sim", "group": "crew"})
    )
    ended(launch(owner, version=version, command="go", parameters={}, vault=""))
    text, _, _ = whole_log(Attempt.objects.get()).decode().partition("#" * 79)
    plan = Job.objects.get().plan
    for words in (
        f"Image {version.image_pinned}",
        f"User sim ({plan['uid']}), group crew ({plan['gid']}), working folder /home/sim",
        "Mount /data: vault owner",
        "Mount /tmp: scratch in memory",
        "File /etc/JARVICE/jobenv.sh",
        "Network: none; system folders: read only",
    ):
        assert f"INIT[1]: {words}" in text, words
    assert str(settings.WORK_ROOT) not in text
    assert str(settings.VAULT_ROOT) not in text


def test_a_next_process_does_not_say_them_again(owner: User, start: Start) -> None:
    _, _, runtime = seen(duration_s=3)
    first = start(runtime)
    job = launch(owner)
    attempt = running(job)
    until = time.monotonic() + 5
    while not whole_log(attempt) and time.monotonic() < until:
        time.sleep(0.02)
    first.leave()
    first.watcher.superseded.set()
    Host.objects.update(incarnation="00000000-0000-4000-8000-000000000001")
    Attempt.objects.filter(pk=attempt.pk).update(tended_by="00000000-0000-4000-8000-0000000000ff")
    start(runtime, host=Host.objects.get())
    ended(job)
    attempt.refresh_from_db()
    text = whole_log(attempt)
    assert text.count(b"Initializing") == text.count(b"#" * 79) == 1
    assert text.endswith(b"#\nout\n")
    assert attempt.log_bytes == len(text)


def test_what_was_not_yet_written_is_said_by_the_next_process(owner: User, start: Start) -> None:
    """Killed before the first row: the log is empty, and the container runs."""
    _, _, runtime = seen(duration_s=2)
    first = start(runtime)
    job = launch(owner)
    attempt = running(job)
    first.leave()
    first.watcher.superseded.set()
    time.sleep(0.3)
    LogChunk.objects.all().delete()
    Attempt.objects.filter(pk=attempt.pk).update(log_bytes=0, tended_by="00000000-0000-4000-8000-0000000000ff")
    Host.objects.update(incarnation="00000000-0000-4000-8000-000000000001")
    start(runtime, host=Host.objects.get())
    ended(job)
    attempt.refresh_from_db()
    assert whole_log(attempt).count(b"#" * 79) == 1
    assert whole_log(attempt).endswith(b"#\nout\n")
