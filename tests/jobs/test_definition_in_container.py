"""Keys of an AppDef, seen from inside: one real container is given a bound plan, and tells what it has."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from apps_catalog.launch.binding import JobValues, bind
from apps_catalog.launch.identity import identity_of
from apps_catalog.launch.plan import plan
from apps_catalog.launch.spec import Identity, MachineSize, RunPlan
from jobs.runtimes.base import ContainerSpec, Exited, Mount, Tmpfs
from jobs.runtimes.docker import DockerRuntime
from tests.apps_catalog.launch.generate import definition, launch, read, site

pytestmark = pytest.mark.docker
LABEL = "slipway.test"
TYPED = 'it\'s $(id) `id` "q" %JOBNAME%\n* end '
JOB_LABEL = "$(rm -rf /) 'label' %APIKEY%"
TELL = """#!/usr/bin/env python3
import json, os, pwd, grp, subprocess, sys

def sourced(path, *names):
    script = '. "$0"; printf "%s\\\\0" ' + " ".join(f'"${n}"' for n in names)
    return subprocess.check_output(["sh", "-c", script, path]).decode().split("\\0")[:-1]

folder = "/etc/JARVICE/"
print(json.dumps({
    "argv": sys.argv, "env": dict(os.environ), "cwd": os.getcwd(), "ids": [os.getuid(), os.getgid()],
    "user": list(pwd.getpwuid(os.getuid())), "group": grp.getgrgid(os.getgid()).gr_name, "root": pwd.getpwnam("root").pw_uid,
    "files": {name: open(folder + name).read() for name in os.listdir(folder)},
    "upload": open("/opt/JARVICE/munge.key", "rb").read().hex(), "writable": os.access("/opt/JARVICE/munge.key", os.W_OK),
    "jobinfo": sourced(folder + "jobinfo.sh", "JOB_NAME", "JOB_LABEL", "JOB_PRIVATEIP", "JOB_PUBLICIP"),
    "jobenv": sourced(folder + "jobenv.sh", "color", "LICENCE", "hidden", "fixed"),
}))
"""
GENERIC = {"name": "n", "description": "d", "required": False, "positional": True}


def own(kind: str, **keys: Any) -> dict[str, Any]:
    return {**GENERIC, "type": kind, **keys}


SIZES = {
    "CORES": "3", "GPUS": "1", "SGPUS": "0", "RAM": "4", "SRAM": "2", "NODES": "2", "TCORES": "6", "TGPUS": "1", "TRAM": "6",
    "MACHINETYPE": "n3", "VTYPE": "FILE", "VNAME": "v", "NIMBIXUSER": "flow",
}  # fmt: skip
RANDOM = "".join(chr(97 + n % 26) for n in range(128))
OWN = {
    "JOBNAME": "20260102030405-ABCDE-app-ada_s1", "NIMBIXPASSWD": "pass-word", "PUBLICADDR": "192.0.2.7", "BASEURL": "/",
    "CONNECTURL": "https://portal.example/jobs/1/", "APIKEY": "%APIKEY%", "APIURL": "%APIURL%", "APIUSER": "%APIUSER%",
    **{f"RANDOM{count}": RANDOM[:count] for count in (16, 32, 64, 128)},
}  # fmt: skip
DEFINITION = definition(
    {
        "host": own("CONST", value="on $(uname) for $(color), \"quoted\" 'x'"),
        "-sizes": own("CONST", value=" ".join(f"%{name}%" for name in SIZES), positional=False),
        "job": own("CONST", value="|".join(f"%{name}%" for name in OWN)),
        "label": own("CONST", value="$(echo label): %JOBLABEL%"),
        "typed": own("STR", value=""),
        "color": own("STR", value="", variable=True),
        "fixed": own("CONST", value="%JOBNAME% $(id)", variable=True),
        "on": own("BOOL", value=False),
        "hidden": own("STR", value="x", variable=True, **{"if": ["on"]}),
        "shown": own("STR", value="shown", ifnot=["on"]),
        "up": own("UPLOAD", target="JARVICE/munge.key", size=99),
    },
    identity={"username": "flow", "group": "people", "uid": 1042, "gid": "1043"},
    variables={"LICENCE": {"name": "L", "description": "d", "userowned": False, "inherit": True, "required": True}},
    command={"path": "/opt/tell.py first", "cmdscript": base64.b64encode(TELL.encode()).decode(), "verboseinit": True},
)
JOB = JobValues(
    name=OWN["JOBNAME"],
    random128=RANDOM,
    password="pass-word",
    public_ip="192.0.2.7",
    connect_url="https://portal.example/jobs/1/",
    hosts=("node-0", "node-1"),
    private_ip="10.0.0.2",
    account={"LICENCE": "1055@it's $(id)"},
    image_passwd="root:x:0:0:root:/root:/bin/bash\nold:x:1042:1042::/old:/bin/sh\n",
)


@pytest.fixture(scope="module")
def runtime() -> Iterator[DockerRuntime]:
    made = DockerRuntime()
    yield made
    for handle in made.owned(LABEL, "definition"):
        made.remove(handle)
    made.close()


def run(runtime: DockerRuntime, bound: RunPlan, folder: Path) -> str:
    """What the container of a bound plan prints. Mounts and tmpfs stand in for the folders of an attempt."""
    mounts = []
    for number, file in enumerate(bound.files):
        path = folder / str(number)
        path.write_bytes(base64.b64decode(file.base64) or file.text.encode())
        path.chmod(file.mode)
        mounts.append(Mount(str(path), file.path, readonly=True))
    spec = ContainerSpec(
        f"definition-{uuid.uuid4().hex}",
        "slipway-python:bookworm",
        bound.argv,
        bound.env,
        bound.uid,
        bound.gid,
        bound.workdir,
        mounts=tuple(mounts),
        tmpfs=(Tmpfs("/tmp", 8), Tmpfs(bound.workdir, 8)),
        memory_mib=128,
        labels={LABEL: "definition"},
    )
    handle = runtime.start(spec)
    end = runtime.wait(handle)
    output = b"".join(line.data for line in runtime.follow(handle)).decode()
    runtime.remove(handle)
    assert end == Exited(0), output
    return output


@dataclass(frozen=True)
class Seen:
    """A plan and what its container told."""

    plan: RunPlan
    told: Mapping[str, Any]


@pytest.fixture(scope="module")
def seen(runtime: DockerRuntime, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    spec = read(DEFINITION)
    who = identity_of(spec, {"username": "client", "uid": 2000})
    assert isinstance(who, Identity)
    place = site(
        machine=MachineSize("n3", 3, 4096, gpus=1, slave_ram_mib=2048, slave_gpus=0),
        username=who.username,
        group=who.group,
        uid=who.uid or 0,
        gid=who.gid or 0,
        account=frozenset({"LICENCE"}),
    )
    values = {"up": base64.b64encode(b"key\0\xff").decode(), "typed": TYPED, "color": f"red {TYPED}", "hidden": "never"}
    made = plan(launch(spec, values, label=JOB_LABEL, nodes=2), place)
    folder = tmp_path_factory.mktemp("definition")
    folder.chmod(0o755)
    return Seen(made, json.loads(run(runtime, bind(made, JOB), folder)))


def test_the_authors_script_is_run_with_the_words_of_the_plan(seen: Seen) -> None:
    assert seen.told["argv"] == [
        "/opt/tell.py", "first", "-sizes", " ".join(SIZES.values()), f"on Linux for red {TYPED}, \"quoted\" 'x'",
        "|".join(OWN.values()), f"label: {JOB_LABEL}", TYPED, "shown",
    ]  # fmt: skip
    assert len(seen.plan.argv) == len(seen.told["argv"])


def test_the_program_is_the_authors_identity_with_its_home(seen: Seen) -> None:
    assert seen.told["ids"] == [1042, 1043]
    assert seen.told["user"] == ["flow", "x", 1042, 1043, "", "/home/flow", "/bin/bash"]
    assert (seen.told["group"], seen.told["root"], seen.told["cwd"]) == ("people", 0, "/home/flow")
    env = seen.told["env"]
    assert [env[name] for name in ("HOME", "USER", "LOGNAME", "JOB_LABEL")] == ["/home/flow", "flow", "flow", JOB_LABEL]


def test_jobenv_has_variables_of_parameters_and_of_the_account(seen: Seen) -> None:
    assert seen.told["jobenv"] == [f"red {TYPED}", "1055@it's $(id)", "", f"{JOB.name} $(id)"]
    assert {"color", "LICENCE", "fixed"}.isdisjoint(seen.told["env"])


def test_jobinfo_nodes_cores_and_random_are_of_this_job(seen: Seen) -> None:
    assert seen.told["jobinfo"] == [JOB.name, JOB_LABEL, "10.0.0.2", "192.0.2.7"]
    files = seen.told["files"]
    assert (files["nodes"], files["cores"]) == ("node-0\nnode-1\n", "node-0\n" * 3 + "node-1\n" * 3)
    assert files["random128.txt"][:128] == JOB.random128
    assert set(files) == {"jobenv.sh", "jobinfo.sh", "nodes", "cores", "random128.txt", "start.sh"}


def test_an_upload_is_at_its_target_read_only(seen: Seen) -> None:
    assert bytes.fromhex(seen.told["upload"]) == b"key\0\xff"
    assert seen.told["writable"] is False


def test_nothing_that_was_typed_is_in_the_start_script(seen: Seen) -> None:
    assert "$(id)" not in seen.told["files"]["start.sh"]
    assert "rm -rf" not in seen.told["files"]["start.sh"]


def test_what_is_withheld_is_told_by_the_plan(seen: Seen) -> None:
    assert seen.plan.withheld == ("APIKEY", "APIURL", "APIUSER")


def test_below_version_2_and_for_a_trusted_app(runtime: DockerRuntime, tmp_path: Path) -> None:
    raw = definition(
        {"a": own("CONST", value="$(id) %APIUSER% %APIURL% %APIKEY%")}, appdefversion=1, command={"path": "/bin/echo"}
    )
    made = plan(launch(read(raw), {}), site(trusted=True, user="ada", api_url="https://portal.example/api"))
    tmp_path.chmod(0o755)
    printed = run(runtime, bind(made, replace(JOB, api_key="key-of-this-job")), tmp_path)
    assert printed == "$(id) ada https://portal.example/api key-of-this-job\n"
