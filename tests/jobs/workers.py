"""A worker's slots for tests: jobs launched, waited for until they run and until they have ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from apps_catalog.launch.spec import Submission
from jobs import services
from jobs.models import Attempt, Job
from jobs.runtimes.base import ContainerSpec
from jobs.runtimes.fake import FakeProgram, FakeRuntime
from jobs.slots import Slots
from jobs.states import AttemptState
from portal.people.models import User
from tests.factories import make_machine, make_version

Start = Callable[..., Slots]


def launch(owner: User, machine: str = "n1", *, command: str = "throw", parameters: Any = None, **over: Any) -> Job:
    """A job of the factories' version, or of `version`. What else is given goes into the submission."""
    make_machine(machine)
    version = over.pop("version", None) or make_version()
    values = {"darts": 100} if parameters is None else parameters
    submission = Submission(command, values, machine=machine, **{"vault": "NONE", **over})
    return services.submit(owner=owner, version=version, submission=submission).job


def ended(job: Job, within_s: float = 15) -> Job:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        job.refresh_from_db()
        if job.terminal:
            return job
        time.sleep(0.02)
    raise AssertionError(f"job {job.number} is {job.state} after {within_s} s: {job.reason}")


def running(job: Job, within_s: float = 10) -> Attempt:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        attempt = Attempt.objects.filter(task__job=job, state=AttemptState.RUNNING).first()
        if attempt:
            return attempt
        time.sleep(0.02)
    raise AssertionError(f"job {job.number} did not start")


def program(**what: Any) -> Callable[[ContainerSpec], FakeProgram]:
    return lambda spec: FakeProgram(**what)


def seen(duration_s: float = 0.0) -> tuple[list[ContainerSpec], dict[str, str], FakeRuntime]:
    """A runtime that notes each container's spec, and the texts of its files as they are when it starts."""
    specs: list[ContainerSpec] = []
    files: dict[str, str] = {}

    def does(spec: ContainerSpec) -> FakeProgram:
        specs.append(spec)
        files.update(
            {m.target: Path(m.source).read_text(errors="replace") for m in spec.mounts if Path(m.source).is_file()}
        )
        return FakeProgram(duration_s=duration_s, lines=(b"out\n",))

    passwd = b"root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n"
    return specs, files, FakeRuntime(does, files={"/etc/passwd": passwd, "/etc/group": b"root:x:0:\nvideo:x:44:\n"})
