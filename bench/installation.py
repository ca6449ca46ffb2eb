"""An installation to measure: its own PostgreSQL (or DATABASE_URL's), web and worker as real processes, rows made directly.

`prepare` must run before any of our modules is imported: they read their settings from the environment.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from portal.local.postgres import Supervisor
from portal.local.processes import Processes

ROOT = Path(__file__).resolve().parents[1]
IMAGE = "slipway-python:bookworm"
WORDS = ("/bin/true",)


@dataclass(frozen=True)
class Installation:
    state: Path
    env: dict[str, str]

    @contextlib.contextmanager
    def processes(self) -> Iterator[Processes]:
        """Processes of the installation, ended when the context does."""
        started = Processes(self.state / "logs")
        try:
            yield started
        finally:
            started.stop()

    def web(self, processes: Processes) -> str:
        """Start the portal; its address once it is ready."""
        from portal.local.demo_client import wait_until_ready

        with socket.socket() as trial:
            trial.bind(("127.0.0.1", 0))
            port: int = trial.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        words = [sys.executable, "-m", "portal.web", "--port", str(port)]
        processes.start("web", words, env={**self.env, "PUBLIC_URL": url}, cwd=ROOT)
        wait_until_ready(url, lambda: None)
        return url

    def worker(self, processes: Processes, *serve: str) -> int:
        """Start a worker; its pid once its host is up."""
        from jobs.models import Host

        words = [sys.executable, "manage.py", "worker", "--host", "bench"]
        for word in serve:
            words += ["--serve", word]
        processes.start("worker", words, env=self.env, cwd=ROOT)
        until = time.monotonic() + 60
        while not Host.objects.alive().filter(name="bench").exclude(engine="").exists():
            if time.monotonic() > until:
                raise SystemExit(f"The worker did not come up. {processes.last_words('worker')}")
            time.sleep(0.1)
        time.sleep(1)
        return processes.children["worker"].pid


@contextlib.contextmanager
def prepare() -> Iterator[Installation]:
    """A fresh database and folders, and Django set up on them in this process. All of it is removed at the end.

    A database of DATABASE_URL's must be empty, for tables are emptied while we measure; what we made stays in it.
    """
    given = os.environ.get("DATABASE_URL")
    if given:
        _refuse_in_use(given)
    state = Path(tempfile.mkdtemp(prefix="slipway-bench-"))
    server = Supervisor(state / "postgres")
    with contextlib.nullcontext() if given else server:
        os.environ |= {
            "DATABASE_URL": given or server.url,
            "SLIPWAY_STATE": str(state),
            "SECRET_KEY": secrets.token_urlsafe(48),
            "DEBUG": "0",
            "JOBS_QUEUED_MAX": "1000000",
            "JOBS_RUNNING_MAX": "1000",
            "LOG_LEVEL": "WARNING",
            "DJANGO_SETTINGS_MODULE": "portal.settings",
        }
        import django
        from django.conf import settings
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
        call_command("migrate", interactive=False, verbosity=0)
        try:
            yield Installation(state, dict(os.environ))
        finally:
            connections.close_all()
            for alias in connections:
                connections[alias].close_pool()  # type: ignore[attr-defined]
    shutil.rmtree(state, ignore_errors=True)


def _refuse_in_use(url: str) -> None:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    if found and found[0]:
        raise SystemExit(
            "The database of DATABASE_URL holds tables, and measuring empties tables. Unset DATABASE_URL to measure on "
            "a database made for it, or set it to an empty one."
        )


def app(slug: str, *, fields: int = 0, words: tuple[str, ...] = WORDS, file: bool = False) -> Any:
    """A published version that runs `words` in the base image, with a form of so many fields; `file`: and a vault's file."""
    from apps_catalog.models import Version
    from apps_catalog.services import import_definition, publish
    from jobs.runtimes.docker import DockerRuntime

    kinds: tuple[dict[str, Any], ...] = (
        {"type": "STR", "value": "some text"},
        {"type": "INT", "value": 5, "min": 1, "max": 10},
        {"type": "RANGE", "value": 4, "min": 0, "max": 100, "step": 4},
        {"type": "FLOAT", "value": 0.5, "min": 0, "max": 1, "precision": 3},
        {"type": "BOOL", "value": True},
        {"type": "selection", "values": ["a", "b", "c", "d", "e"]},
    )
    parameters = {
        f"-p{n}": {
            "name": f"Field {n}",
            "description": "",
            "required": True,
            "positional": False,
            **kinds[n % len(kinds)],
        }
        for n in range(fields)
    }
    if file:
        parameters["source"] = {"name": "Source", "description": "", "type": "FILE", "required": True}
    command = {"path": " ".join(words), "name": "Go", "description": "", "parameters": parameters}
    definition = {
        "name": slug,
        "description": "",
        "author": "bench",
        "licensed": True,
        "classifications": ["Bench"],
        "machines": ["*"],
        "vault-types": ["FILE"] if file else ["NONE"],
        "commands": {"go": command},
    }
    curator = person("curator", is_curator=True)
    version = import_definition(text=json.dumps(definition), actor=curator, image=IMAGE, slug=slug).version
    assert version is not None
    publish(version=version, actor=curator)
    pinned = DockerRuntime().image(IMAGE, pull=False).pinned
    Version.objects.filter(pk=version.pk).update(image_pinned=pinned, image_state=Version.ImageState.FOUND)
    return version


def person(name: str, **over: Any) -> Any:
    from portal.people.models import User

    return User.objects.get_or_create(username=name, defaults=over)[0]


def forget_jobs() -> None:
    """Empty the tables of jobs and of what was counted of them, so that the worker of what comes next finds none to run."""
    from django.db import connection

    from jobs.models import Job, JobEvent, OwnerLoad

    tables = ", ".join(model._meta.db_table for model in (Job, JobEvent, OwnerLoad))
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables} CASCADE")


def token(user: Any) -> str:
    from portal.people.models import ApiToken

    return ApiToken.issue(user, name="bench", scopes=["read", "launch"])[1]


def machine(name: str) -> Any:
    from jobs.models import MachineType

    return MachineType.objects.get_or_create(name=name, defaults={"cores": 1, "ram_mib": 256})[0]
