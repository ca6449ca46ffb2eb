"""S16, S18, S19, S22, S23: from a definition to the container, and what a real job finds inside."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from apps_catalog.launch.binding import JobValues, bind
from apps_catalog.launch.plan import plan
from apps_catalog.launch.spec import Submission, VaultMount
from apps_catalog.models import App, Version
from jobs import folders, identity, services, uploads, vaults
from jobs.models import Attempt, Job, Upload, Vault
from jobs.runtimes.base import RuntimeFault
from jobs.runtimes.docker_config import container_config, host_config
from jobs.slots import Slots
from portal.people.models import User
from tests.apps_catalog.launch import generate
from tests.apps_catalog.launch.generate import appdefs, read, site
from tests.factories import make_host, make_machine, make_vault, make_version
from tests.jobs.engines import real_engine, serving
from tests.jobs.outputs import program_output
from tests.jobs.runtimes.test_docker_hardening import ALWAYS, BY_SPEC

TARGETS = {"/home/nimbix", "/results", "/data"}
INSTALLED = {"HOME", "USER", "LOGNAME", "RESULTS_DIR", "JOB_NAME", "JOB_LABEL"}


# -- from a definition to the request (S16, S18) ----------------------------------------------------------------------


@pytest.fixture
def vault(owner: User) -> Vault:
    made = make_vault(owner)
    vaults.root_of(made)
    return made


@pytest.mark.django_db
@hypothesis_settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(raw=appdefs(), writable_root=st.booleans())
@pytest.mark.slow
def test_any_definition_asks_for_the_allowlist_and_never_for_root(
    owner: User, vault: Vault, raw: Any, writable_root: bool
) -> None:
    """Each command of 500 definitions, planned, bound to its job and a host, and made the body of a create request."""
    spec = read(raw)
    upload = Upload.objects.first() or uploads.receive(owner=owner, name="case.csv", chunks=[b"x"], limit_bytes=9)
    for key, command in spec.commands.items():
        values = {
            name: {"upload": str(upload.pk)} if isinstance(value, dict) else value
            for name, value in generate.fill(command, optional=True).items()
        }
        uid, gid = identity.run_ids()
        here = site(uid=uid, gid=gid, vault=VaultMount("v", "FILE"), writable_root=writable_root)
        planned = plan(generate.launch(spec, values, key), here)
        job = Job(owner=owner, version=Version(app=App(slug="any")), plan=planned.as_json(), vault=vault, number=1)
        job.created_at = timezone.now()
        attempt = Attempt(name="slipway-test-1-run-0-1")
        bound_plan = bind(planned, JobValues("a-job", "r" * 128, "p" * 16))
        bound = folders.container(
            attempt=attempt,
            job=job,
            plan=bound_plan,
            folder=folders.Folder.of(attempt, "one"),
            labels={},
            gpu_indexes=(),
        )
        request = host_config(bound)
        assert {name: value for name, value in request.items() if name not in BY_SPEC} == ALWAYS | {
            "ReadonlyRootfs": not writable_root
        }
        assert set(request) == set(ALWAYS) | BY_SPEC
        assert request["NetworkMode"] == "none"
        assert request["DeviceRequests"] == []
        uploaded = {file.path for file in planned.files}
        assert {mount["Target"] for mount in request["Mounts"]} <= TARGETS | uploaded
        body = container_config(bound)
        assert body["Entrypoint"] == list(bound_plan.argv)
        assert body["User"] == f"{uid}:{gid}"
        assert min(uid, gid) > 0
        assert {line.partition("=")[0] for line in body["Env"]} == INSTALLED


@pytest.mark.parametrize(
    ("given_ids", "euid", "expected"),
    [
        ((0, 0), 0, (505, 505)),
        ((0, 0), 1000, (1000, 1000)),
        ((777, 778), 0, (777, 778)),
        ((777, 778), 1000, (777, 778)),
    ],
)
def test_containers_run_as_the_operators_choice_or_the_portals_user_and_never_root(
    settings: Any, monkeypatch: pytest.MonkeyPatch, given_ids: tuple[int, int], euid: int, expected: tuple[int, int]
) -> None:
    settings.RUN_UID, settings.RUN_GID = given_ids
    monkeypatch.setattr(os, "geteuid", lambda: euid)
    monkeypatch.setattr(os, "getegid", lambda: euid)
    assert identity.run_ids() == expected


@pytest.mark.parametrize("raw", ["0", "00", "+0", "0:0", "root", "-1", 0, False, True, None, 1000.0])
def test_an_identity_that_reads_as_root_never_reaches_an_engine(raw: Any) -> None:
    from tests.jobs.runtimes.test_docker_hardening import make_spec

    for over in ({"uid": raw}, {"gid": raw}):
        with pytest.raises(RuntimeFault, match="never root"):
            container_config(make_spec("true", **over))


# -- what a real job finds inside (S16, S19, S22) ---------------------------------------------------------------------

PROBE = r"""
import json, os, socket, sys
found = {"ids": [os.getuid(), os.geteuid(), os.getgid(), os.getegid(), *os.getgroups()]}
status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines())
found["caps"] = [int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")]
found["confined"] = [status["NoNewPrivs"], status["Seccomp"]]
wrote = []
for folder in ("/", "/etc", "/usr", "/var", "/opt", "/etc/JARVICE", "/proc/sys/kernel", "/sys", "/tmp",
               "/home/nimbix", "/results", "/data"):
    try:
        open(os.path.join(folder, "probe"), "w").close()
        wrote.append(folder)
    except OSError:
        pass
found["wrote"] = wrote
found["sockets"] = [p for p in ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd") if os.path.exists(p)]
found["interfaces"] = os.listdir("/sys/class/net")
reached = []
for word in sys.argv[1:]:
    host, port = word.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
        reached.append(word)
    except OSError:
        pass
found["reached"] = reached
found["environment"] = sorted(os.environ)
found["processes"] = sum(name.isdigit() for name in os.listdir("/proc"))
found["host"] = [p for p in ("/work", "/root/.ssh", "/srv/vaults") if os.path.exists(p) and os.access(p, os.W_OK)]
found["secrets"] = [name for name in os.environ if "SECRET" in name or "DATABASE" in name]
print(json.dumps(found))
"""


@pytest.fixture
def launched(settings: Any, folders: Path, owner: User) -> Iterator[Callable[..., Job]]:
    """Run a program as a job on slots over the real engine, to its end."""
    settings.BROKER_URL = "none"
    settings.HEARTBEAT_S = 1
    make_machine("n1", ram_mib=128, pids=64)
    host = make_host(serves={"n1": 1})

    def launch(code: str, *words: str, vault: str = "NONE") -> Job:
        parameters: dict[str, Any] = {
            f"w{number}": {
                "name": "w",
                "description": "w",
                "type": "CONST",
                "value": word,
                "positional": True,
                "required": True,
            }
            for number, word in enumerate(("-c", code, *words))
        }
        command = {"path": "/usr/bin/python3", "parameters": parameters}
        raw = generate.definition(command=command)
        version = make_version(definition=raw, image_pinned=runtime.image("slipway-python:bookworm", pull=False).pinned)
        submission = Submission("go", machine="n1", vault=vault)
        job = services.submit(owner=owner, version=version, submission=submission).job
        until = time.monotonic() + 30
        while not job.terminal and time.monotonic() < until:
            time.sleep(0.05)
            job.refresh_from_db()
        return job

    with real_engine(folders) as runtime, serving(Slots(host=host, runtime=runtime, serve={"n1": 1})):
        yield launch


def addresses() -> list[str]:
    """This machine's own addresses, as a job might try them."""
    found = {"127.0.0.1", "172.17.0.1", "169.254.169.254", "1.1.1.1"}
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            found.add(probe.getsockname()[0])
        except OSError:
            pass
    return sorted(found)


@pytest.mark.docker
@pytest.mark.django_db(transaction=True)
def test_a_real_job_has_no_privileges_no_network_and_no_secrets(
    launched: Callable[..., Job], owner: User, vault: Vault
) -> None:
    with closing(socket.create_server(("0.0.0.0", 0))) as listener:
        port = listener.getsockname()[1]
        threading.Thread(target=lambda: _accept(listener), daemon=True).start()
        words = [f"{address}:{each}" for address in addresses() for each in (port, 80)]
        job = launched(PROBE, *words, vault=vault.name)
    assert job.state == "succeeded", job.reason
    found = json.loads(program_output(Attempt.objects.get(task__job=job)))
    assert 0 not in found["ids"]
    assert found["caps"] == [0] * 5
    assert found["confined"] == ["1", "2"]
    assert found["wrote"] == ["/tmp", "/home/nimbix", "/results", "/data"]
    assert found["sockets"] == []
    assert found["interfaces"] == ["lo"]
    assert found["reached"] == []
    assert found["secrets"] == []
    assert found["host"] == []
    assert INSTALLED <= set(found["environment"]) <= INSTALLED | {"HOSTNAME", "PATH", "LANG", "LC_CTYPE"}
    assert found["processes"] <= 4
    assert [result.path for result in job.results.all()] == ["probe"]
    assert (vaults.root_of(vault) / "probe").exists()
    assert timezone.now() - job.created_at < timedelta(seconds=40)


def _accept(listener: socket.socket) -> None:
    try:
        while True:
            listener.accept()[0].close()
    except OSError:
        return


# -- the web process (S23) --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_web_process_never_imports_docker(tmp_path: Path) -> None:
    """With every view, stream, serializer and admin page loaded."""
    code = """
import sys
import portal.asgi
from django.urls import get_resolver
def walk(patterns):
    for pattern in patterns:
        walk(getattr(pattern, "url_patterns", ()))
walk(get_resolver().url_patterns)
print([name for name in sys.modules if name.split(".")[0] == "docker" or name == "jobs.runtimes.docker"])
"""
    root = Path(__file__).resolve().parents[2]
    env = {"PATH": os.environ["PATH"], "SECRET_KEY": uuid.uuid4().hex * 2, "SLIPWAY_STATE": str(tmp_path)}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=root, check=False)
    assert (found.returncode, found.stdout.strip()) == (0, "[]"), found.stderr
