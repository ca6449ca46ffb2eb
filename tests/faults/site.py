"""A whole installation for fault tests: PostgreSQL, workers and web as real processes, each ended by its pid."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections
from psycopg.conninfo import conninfo_to_dict

from apps_catalog.launch.spec import Submission
from apps_catalog.models import Version
from jobs import services
from jobs.folders import INSTALLATION_LABEL
from jobs.models import Attempt, Installation, Job, MachineType, OwnerLoad, Task
from jobs.runtimes.base import Handle
from jobs.runtimes.docker import DockerRuntime
from jobs.states import ATTEMPT_OPEN, JOB_TERMINAL, TASK_OPEN, AttemptState
from portal.local.postgres import Supervisor
from portal.people.models import User
from tests.jobs.outputs import program_output

PROJECT = Path(__file__).resolve().parents[2]
IMAGE = "slipway-python:bookworm"
READY_S = 60.0
T = TypeVar("T")

# Runs any shell script: what a job does is told by the test that submits it.
SCRIPTED: dict[str, Any] = {
    "name": "Any script",
    "description": "Runs a script.",
    "author": "Slipway",
    "licensed": True,
    "classifications": ["Tests"],
    "machines": ["*"],
    "vault-types": ["NONE", "FILE"],
    "commands": {
        "run": {
            "path": "/bin/sh",
            "name": "Run",
            "description": "Runs it.",
            "parameters": {
                "-c": {"name": "c", "description": "c", "type": "CONST", "value": "-c", "positional": True},
                "script": {"name": "s", "description": "s", "type": "STR", "positional": True, "required": True},
            },
        }
    },
}


def eventually(found: Callable[[], T | None], within_s: float = 20.0, what: str = "") -> T:
    """The first true answer; fails after `within_s`."""
    until = time.monotonic() + within_s
    while True:
        if answer := found():
            return answer
        if time.monotonic() > until:
            raise AssertionError(f"{what or 'It'} did not come true within {within_s:.0f} s.")
        time.sleep(0.05)


@contextmanager
def database(server: Supervisor) -> Iterator[None]:
    """The server runs, has our tables, and is the one that this process uses too, until the context ends."""
    known = connection.settings_dict
    before = {name: known[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}
    parts = conninfo_to_dict(server.url)
    ours = {"NAME": parts["dbname"], "USER": parts["user"], "PASSWORD": "", "HOST": parts["host"], "PORT": ""}
    _use(ours)
    with server:
        try:
            call_command("migrate", interactive=False, verbosity=0)
            yield
        finally:
            _use(before)


def _use(places: Mapping[str, Any]) -> None:
    connections.close_all()
    connection.close_pool()  # type: ignore[attr-defined]
    connection.settings_dict.update(places)


@dataclass
class Process:
    """A process of the installation, with its output in a file."""

    name: str
    child: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def alive(self) -> bool:
        return self.child.poll() is None

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9: the process gets no chance to tidy."""
        self.send(signal.SIGKILL)
        self.child.wait()

    def terminate(self, within_s: float = 10.0) -> int:
        self.send(signal.SIGTERM)
        try:
            return self.child.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {within_s} s of SIGTERM:\n{self.said()}") from None

    def dismiss(self) -> None:
        """Told to end, and not waited for: the installation's end does that."""
        self.send(signal.SIGTERM)

    def ready(self, words: str) -> None:
        def found() -> bool:
            if words in self.said():
                return True
            assert self.alive, f"{self.name} ended with {self.child.returncode}:\n{self.said()}"
            return False

        eventually(found, READY_S, f"{self.name} getting ready")

    def rss_mib(self) -> float:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise AssertionError(f"{self.name} has no VmRSS")


@dataclass
class Site:
    """The installation. `submit` runs a shell script as a job; `worker` and `web` start processes."""

    root: Path
    owner: User
    version: Version
    runtime: DockerRuntime
    server: Supervisor
    env: dict[str, str]
    processes: list[Process] = field(default_factory=list)

    @property
    def installation(self) -> str:
        return str(Installation.get().pk)

    # -- processes ----------------------------------------------------------------------------------------------------

    def start(self, name: str, words: list[str], env: Mapping[str, str]) -> Process:
        log = self.root / f"{name}-{len(self.processes)}.log"
        with log.open("wb") as output:
            tie = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
            child = subprocess.Popen(
                [*tie, sys.executable, *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.env | dict(env),
                cwd=PROJECT,
                start_new_session=True,
            )
        process = Process(name, child, log)
        self.processes.append(process)
        return process

    def worker(self, host: str, *options: str, ready: bool = True, **env: str) -> Process:
        """manage.py worker --host HOST OPTIONS, ready to take work (unless told not to wait)."""
        process = self.start(f"worker-{host}", ["manage.py", "worker", "--host", host, *options], env)
        if ready:
            process.ready("Serving.")
        return process

    def web(self, port: int, *, ready: bool = True, **env: str) -> Process:
        words = ["-m", "portal.web", "--port", str(port), "--log-level", "info"]
        process = self.start("web", words, env)
        if ready:
            process.ready("Uvicorn running")
        return process

    def stop(self) -> None:
        for process in reversed(self.processes):
            if process.alive:
                process.send(signal.SIGTERM)
        for process in reversed(self.processes):
            try:
                process.child.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        for handle in self.containers():
            self.runtime.remove(handle)
        for name in self.networks():
            self.runtime.remove_network(name)

    # -- jobs ---------------------------------------------------------------------------------------------------------

    def machine(self, name: str, **over: Any) -> MachineType:
        fields: dict[str, Any] = {"ram_mib": 128, "pids": 128, "disk_mib": 256}
        return MachineType.objects.get_or_create(name=name, defaults=fields | over)[0]

    def submit(self, script: str, machine: str = "n1", *, version: Version | None = None, **over: Any) -> Job:
        submission = Submission("run", {"script": script}, machine=machine, vault=over.pop("vault", "NONE"), **over)
        return services.submit(owner=self.owner, version=version or self.version, submission=submission).job

    def ended(self, job: Job, within_s: float = 30.0) -> Job:
        def terminal() -> Job | None:
            job.refresh_from_db()
            return job if job.terminal else None

        return eventually(terminal, within_s, f"The end of job {job.number} ({job.state})")

    def running(self, job: Job, within_s: float = 20.0) -> Attempt:
        rows = Attempt.objects.filter(task__job=job, state=AttemptState.RUNNING)
        return eventually(rows.first, within_s, f"The start of job {job.number}")

    def attempts(self, job: Job) -> list[Attempt]:
        return list(Attempt.objects.filter(task__job=job).order_by("number"))

    def log_of(self, job: Job) -> bytes:
        """What its last attempt's program wrote."""
        return program_output(self.attempts(job)[-1])

    def inspect(self, name: str) -> dict[str, Any]:
        found = subprocess.run(["docker", "inspect", name], capture_output=True, check=True)
        return dict(json.loads(found.stdout)[0])

    def containers(self) -> list[Handle]:
        return self.runtime.owned(INSTALLATION_LABEL, self.installation)

    def networks(self) -> list[str]:
        return self.runtime.owned_networks(INSTALLATION_LABEL, self.installation)

    # -- what must hold after every fault -----------------------------------------------------------------------------

    def check(self) -> None:
        """Every job ended, nothing open, no container, network or folder of ours left, counters back at zero."""
        active = Job.objects.exclude(state__in=JOB_TERMINAL)
        eventually(lambda: not active.exists(), 40, f"The end of all jobs ({list(active.values('number', 'state'))})")
        assert not Task.objects.filter(state__in=TASK_OPEN).exists()
        assert not Attempt.objects.filter(state__in=ATTEMPT_OPEN).exists()
        for load in OwnerLoad.objects.all():
            assert (load.queued, load.running) == (0, 0), load
        eventually(lambda: not self.containers(), 20, "The removal of containers")
        eventually(lambda: not self.networks(), 10, "The removal of networks")
        eventually(lambda: not list(self.root.glob("work/*/slipway-*")), 10, "The removal of work folders")


def made_site(root: Path, server: Supervisor, **env: str) -> Site:
    """An installation below `root` on a server that this process uses too. Settings here must agree with `env`."""
    from tests.factories import make_person, make_version

    runtime = DockerRuntime()
    pinned = runtime.image(IMAGE, pull=False).pinned
    passed = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "DOCKER_HOST"}}
    base = {
        **passed,
        "DATABASE_URL": server.url,
        "SLIPWAY_STATE": str(root),
        "STORE_ROOT": str(root / "store"),
        "VAULT_ROOT": str(root / "vaults"),
        "WORK_ROOT": str(root / "work"),
        "SECRET_KEY": settings.SECRET_KEY,  # sessions that a test makes are good there
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PYTHONUNBUFFERED": "1",
    }
    owner = make_person(f"owner-{uuid.uuid4().hex[:6]}")
    version = make_version(definition=SCRIPTED, image_pinned=pinned)
    return Site(root, owner, version, runtime, server, base | env)
