"""What real programs find when a real job starts: the run-time contract of JARVICE, from inside containers.

The jobs run beside one another, on four slots, and each proves many things: a container costs seconds.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from apps_catalog.models import Version
from jobs import vaults
from jobs.identity import run_ids
from jobs.models import Attempt, Job, Vault
from jobs.runtimes.docker import DockerRuntime
from jobs.states import JobState
from portal.people import account_variables
from portal.people.models import ApiToken, User
from tests.apps_catalog.launch.generate import definition
from tests.factories import make_machine, make_vault, make_version
from tests.jobs import every_key
from tests.jobs.engines import real_engine
from tests.jobs.outputs import program_output, whole_log
from tests.jobs.workers import Start, ended, launch

pytestmark = [pytest.mark.docker, pytest.mark.django_db(transaction=True)]

# A script of the author's: prints its words, and what it finds, as JSON.
PROBE = r"""#!/usr/bin/env python3
import grp, json, os, pwd, subprocess, sys

def run(*words):
    return subprocess.run(words, capture_output=True, text=True).stdout.strip()

def sourced(shell, file, *names):
    code = ". " + file + "; " + "; ".join(f'printf "%s\\0" "${name}"' for name in names)
    return subprocess.run([shell, "-c", code], capture_output=True).stdout.decode().split("\0")[:-1]

def read(path):
    try:
        return open(path, newline="").read()
    except OSError as error:
        return error.strerror

def writes(folder):
    try:
        open(os.path.join(folder, "probe"), "w").close()
        return True
    except OSError:
        return False

print(json.dumps({
    "argv": sys.argv,
    "files": {name: read("/etc/JARVICE/" + name) for name in ("jobenv.sh", "jobinfo.sh", "nodes", "cores", "random128.txt")},
    "jobenv": {s: sourced(s, "/etc/JARVICE/jobenv.sh", "color", "NOTE", "LICENSE_SERVER", "MY_KEY") for s in ("sh", "dash", "bash")},
    "jobinfo": {s: sourced(s, "/etc/JARVICE/jobinfo.sh", "JOB_NAME", "JOB_LABEL") for s in ("sh", "dash", "bash")},
    "who": [run("id", "-un"), run("id", "-gn"), run("id", "-u"), run("id", "-g"), os.path.expanduser("~" + run("id", "-un"))],
    "root": pwd.getpwuid(0).pw_name,
    "groups": [g.gr_name for g in grp.getgrall()][:2],
    "hostname": run("hostname"),
    "env": {name: os.environ.get(name) for name in ("HOME", "USER", "LOGNAME", "JOB_NAME", "JOB_LABEL", "RESULTS_DIR", "color")},
    "cwd": os.getcwd(),
    "writes": [f for f in ("/", "/etc", "/etc/JARVICE", "/opt", "/opt/probe", "/tmp", os.environ["HOME"], "/results", "/data") if writes(f)],
    "upload": read("/opt/case/mesh.yaml"),
    "mine": run("ls", "-ld", os.environ["HOME"]).split()[0],
}))
sys.exit(int(os.environ.get("EXIT", "0")))
"""


def constant(value: str, **over: Any) -> dict[str, Any]:
    return {"type": "CONST", "value": value, "name": "n", "description": "d", "required": True, **over}


def typed(kind: str, **over: Any) -> dict[str, Any]:
    return {"type": kind, "name": "n", "description": "d", "required": True, **over}


def probe(parameters: dict[str, Any], *, path: str = "/opt/probe/run", **command: Any) -> dict[str, Any]:
    script = base64.b64encode(PROBE.encode()).decode()
    return {"path": path, "name": "n", "description": "d", "cmdscript": script, "parameters": parameters, **command}


@pytest.fixture
def runtime(settings: Any, in_folders: Path) -> Iterator[DockerRuntime]:
    with real_engine(in_folders) as made:
        yield made


@pytest.fixture
def version_of(runtime: DockerRuntime) -> Callable[..., Version]:
    pinned = runtime.image("slipway-python:bookworm", pull=False).pinned

    def made(commands: dict[str, Any], **over: Any) -> Version:
        return make_version(definition=definition(commands=commands, **over), image_pinned=pinned)

    return made


@pytest.fixture
def begun(runtime: DockerRuntime, start: Start) -> None:
    """A worker of four slots over the engine."""
    make_machine("n1", cores=2, ram_mib=128, pids=64)
    start(runtime, n1=4)


def found(job: Job) -> dict[str, Any]:
    """What a job's probe printed."""
    assert ended(job, 60).state == JobState.SUCCEEDED, f"{job.reason} {whole_log(Attempt.objects.get(task__job=job))!r}"
    return dict(json.loads(program_output(Attempt.objects.get(task__job=job))))


@pytest.fixture
def vault(owner: User) -> Vault:
    made = make_vault(owner, name="mine")
    for path in ("jellyfish-3-mbps-hd-h264.mkv", "run/dam/system/controlDict"):
        parent = path.rpartition("/")[0].split("/")
        for depth in range(1, len(parent) + 1):
            if parent[0] and not vaults.exists(made, "/".join(parent[:depth])):
                vaults.make_folder(made, "/".join(parent[:depth]))
        vaults.save_file(made, path, [b"x"])
    return made


# -- the published vectors, word for word -----------------------------------------------------------------------------


def tutorial() -> dict[str, Any]:
    """The tutorial's command with every type, in its order."""
    positional: dict[str, Any] = {"positional": True}
    return {
        "const_1": constant("const_1_value", **positional),
        "const_2": constant("const_2_value", positional=False),
        "const_3": constant("const_3_value", positional=True, variable=True),
        "str_1": typed("STR", value="str_1_value", **positional),
        "str_2": typed("STR", value="str_2_value", variable=True, **positional),
        "str_3": typed("STR", value="str_3_value", **positional) | {"required": False},
        "int_1": typed("INT", value=2, min=0, max=10, **positional),
        "float_1": typed("FLOAT", value=1.2, min=0, max=10, precision=2, **positional),
        "range_1": typed("RANGE", value=0, min=0, max=10, step=1, **positional),
        "bool_1": typed("BOOL", value=True, **positional),
        "selection_1": typed("selection", values=["selection_1_val1", "selection_1_val2"], **positional),
        "file_1": typed("FILE", filter="*.mkv", **positional),
        "upload_1": typed("UPLOAD", target="upload_1.txt", size=1000),
    }


BLENDER = {
    "-renderFile": typed("selection", values=["Ryzen CPU", "Classroom"], mvalues=["RyzenGraphic_27", "classroom"]),
    "-enableCPU": typed("BOOL", value=False),
    "-disableGPU": typed("BOOL", value=False),
    "-gpucount": constant("%GPUS%"),
}
OPENFOAM = {
    "-case": typed("FILE", positional=False),
    "-mesh": typed("BOOL", value=False),
    "-meshtype": typed("selection", values=["blockMesh", "snappyHexMesh"]),
    "-solver": typed("STR", value="icoFoam"),
    "-DOCKER_CREDS": typed("STR", value="") | {"required": False},
}
VECTORS: list[tuple[str, str, dict[str, Any], dict[str, Any], str]] = [
    (
        "tutorial",
        "/opt/probe/run",
        tutorial(),
        {"file_1": "jellyfish-3-mbps-hd-h264.mkv", "upload_1": base64.b64encode(b"up").decode()},
        "const_2 const_2_value const_1_value str_1_value str_3_value 2 1.2 0 bool_1 selection_1_val1 /data/jellyfish-3-mbps-hd-h264.mkv",
    ),
    (
        "benchmark",
        "/opt/blender/benchmark/benchmark.sh",
        BLENDER,
        {"-renderFile": "Ryzen CPU", "-enableCPU": True},
        "-renderFile RyzenGraphic_27 -enableCPU -gpucount 0",
    ),
    (
        "Batch",
        "/usr/local/scripts/openfoam.sh",
        OPENFOAM,
        {"-case": "run/dam/system/controlDict", "-mesh": True, "-DOCKER_CREDS": ""},
        "-case /data/run/dam/system/controlDict -mesh -meshtype blockMesh -solver icoFoam",
    ),
]


def test_the_published_vectors_arrive_word_for_word(
    owner: User, begun: None, vault: Vault, version_of: Callable[..., Version]
) -> None:
    version = version_of({key: probe(parameters, path=path) for key, path, parameters, _, _ in VECTORS})
    jobs = [
        launch(owner, version=version, command=key, parameters=values, vault="mine") for key, _, _, values, _ in VECTORS
    ]
    for job, (_, path, _, _, words) in zip(jobs, VECTORS, strict=True):
        assert " ".join(found(job)["argv"]) == f"{path} {words}"


# -- files, tokens, expansion, identity -------------------------------------------------------------------------------


NOTE = 'it\'s "quoted" $HOME `id`\n\ttwo lines\\'
CONTRACT = {
    "-job": constant("%JOBNAME%"),
    "-random": constant("%RANDOM16%/%RANDOM32%/%RANDOM64%"),
    "-password": constant("%NIMBIXPASSWD%"),
    "-user": constant("%NIMBIXUSER%"),
    "-unknown": constant("100%_%UNKNOWN%_%"),
    "-key": constant("%APIKEY%"),
    "-host": constant("$(hostname)"),
    "-color": constant("a $(color) b"),
    "-both": constant("`echo x`-%RANDOM64%-$HOME"),
    "-typed": typed("STR", value=""),
    "color": constant("sea green", variable=True),
    "NOTE": typed("STR", value="", variable=True),
    "MY_KEY": constant("%APIKEY%", variable=True),
    "mesh": typed("UPLOAD", target="case/mesh.yaml", size=1000),
}
TYPED = "$(id) `id` %RANDOM64% $color"
VALUES = {"-typed": TYPED, "NOTE": NOTE, "mesh": base64.b64encode(b"mesh: fine\n").decode()}
IDENTITY = {"username": "sim", "group": "crew", "uid": 505, "gid": 505}
LICENCES = {"LICENSE_SERVER": {"name": "L", "description": "d", "userowned": False, "inherit": True, "required": True}}


def test_a_job_finds_all_that_the_contract_promises(
    owner: User, begun: None, vault: Vault, version_of: Callable[..., Version]
) -> None:
    account_variables.set_variable(name="LICENSE_SERVER", value="27000@a 'b'", user=owner)
    version = version_of({"go": probe(CONTRACT, verboseinit=True)}, identity=IDENTITY, variables=LICENCES)
    version.app.created_by = owner
    version.app.save()
    job = launch(owner, version=version, command="go", parameters=VALUES, vault="mine", label="wing one")
    seen = found(job)
    words = dict(zip(seen["argv"][1::2], seen["argv"][2::2], strict=True))
    random = seen["files"]["random128.txt"].strip()
    uid, gid = run_ids()
    assert seen["argv"][0] == "/opt/probe/run"
    assert (len(random), random.isalnum()) == (128, True)
    assert words["-random"] == f"{random[:16]}/{random[:32]}/{random[:64]}"
    assert words["-job"] == job.name == seen["env"]["JOB_NAME"]
    assert (words["-user"], words["-unknown"]) == ("sim", "100%_%UNKNOWN%_%")
    assert (len(words["-password"]), words["-password"].isalnum()) == (16, True)
    assert words["-host"] == seen["hostname"] != ""
    assert words["-color"] == "a sea green b"
    assert words["-both"] == f"x-{random[:64]}-/home/sim"
    assert words["-typed"] == TYPED
    key = words["-key"]
    assert key.startswith("slw_")
    for shell in ("sh", "dash", "bash"):
        assert seen["jobenv"][shell] == ["sea green", NOTE, "27000@a 'b'", key], shell
        assert seen["jobinfo"][shell] == [job.name, "wing one"], shell
    assert all(seen["files"][name].startswith(":\n") for name in ("jobenv.sh", "jobinfo.sh"))
    assert (seen["files"]["nodes"], seen["files"]["cores"]) == ("localhost\n", "localhost\n" * 2)
    assert seen["who"] == ["sim", "crew", str(uid), str(gid), "/home/sim"]
    assert (seen["root"], seen["groups"][0]) == ("root", "root")
    assert seen["env"]["color"] is None  # in jobenv.sh alone
    assert [seen["env"][name] for name in ("HOME", "USER", "LOGNAME")] == ["/home/sim", "sim", "sim"]
    assert (seen["cwd"], seen["upload"]) == ("/home/sim", "mesh: fine\n")
    assert seen["writes"] == ["/tmp", "/home/sim", "/results", "/data"]
    assert ApiToken.objects.presented(key) is None  # it ended with the job
    log = whole_log(Attempt.objects.get(task__job=job)).decode()
    assert f"INIT[1]: User sim ({uid}), group crew ({gid}), working folder /home/sim\n" in log
    assert f"INIT[1]: Image {version.image_pinned}\n" in log


def test_others_are_filled_in_anew_and_whom_nobody_trusts_gets_no_key(
    owner: User, stranger: User, begun: None, version_of: Callable[..., Version]
) -> None:
    """Two jobs of the same plan: what differs is the jobs' own."""
    version = version_of({"go": probe(CONTRACT)})
    version.app.created_by = stranger
    version.app.save()
    jobs = [launch(owner, version=version, command="go", parameters=VALUES) for _ in range(2)]
    first, second = (found(job) for job in jobs)
    assert jobs[0].plan_digest == jobs[1].plan_digest
    assert first["files"]["random128.txt"] != second["files"]["random128.txt"]
    assert first["argv"] != second["argv"]
    assert "%APIKEY%" in first["argv"]
    assert first["jobenv"]["sh"][3] == "%APIKEY%"
    assert first["who"][:2] == ["nimbix", "nimbix"]
    assert not ApiToken.objects.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="another user is for a portal that runs as root")
def test_another_identity_has_its_own_numbers_and_a_home_to_write_in(
    owner: User, begun: None, version_of: Callable[..., Version]
) -> None:
    identity = {"username": "Eve.x", "group": "crew", "uid": 2000, "gid": 2001}
    version = version_of({"go": probe({"mesh": CONTRACT["mesh"]})}, identity=identity)
    seen = found(launch(owner, version=version, command="go", parameters={"mesh": VALUES["mesh"]}))
    assert seen["who"] == ["Eve.x", "crew", "2000", "2001", "/home/Eve.x"]
    assert seen["writes"] == ["/tmp", "/home/Eve.x", "/results"]
    assert seen["upload"] == "mesh: fine\n"


# -- scripts, mpirun, ends --------------------------------------------------------------------------------------------


def test_scripts_mpirun_and_exit_codes(owner: User, begun: None, version_of: Callable[..., Version]) -> None:
    fake_mpirun = probe({"-n": constant("%TCORES%")}, path="/usr/local/bin/mpirun", mpirun=True)
    commands = {
        "plain": {"path": "/data-less/run.sh", "name": "n", "description": "d", "parameters": {"w": typed("STR", value="a b", positional=True)},
                  "cmdscript": "echo \"[$1]\" \"$#\""},
        "mpirun": fake_mpirun,
        "fails": {"path": "/opt/fails.sh", "name": "n", "description": "d", "parameters": {}, "cmdscript": "#!/bin/sh\nexit 42"},
    }  # fmt: skip
    version = version_of(commands)
    jobs = {key: launch(owner, version=version, command=key, parameters={}) for key in commands}
    plain = ended(jobs["plain"], 60)
    assert program_output(Attempt.objects.get(task__job=plain)) == b"[a b] 1\n", plain.reason
    argv = found(jobs["mpirun"])["argv"]
    assert argv == [
        "/usr/local/bin/mpirun",
        "--hostfile",
        "/etc/JARVICE/nodes",
        "-N",
        "2",
        "/usr/local/bin/mpirun",
        "-n",
        "2",
    ]
    failed = ended(jobs["fails"], 60)
    assert (failed.state, failed.failure_class, failed.exit_code) == (JobState.FAILED, "user", 42)


# -- every key --------------------------------------------------------------------------------------------------------


def test_a_definition_with_every_key_runs_with_the_words_of_its_preview(
    owner: User, begun: None, vault: Vault, version_of: Callable[..., Version]
) -> None:
    account_variables.set_variable(name="LICENSE_SERVER", value="x", user=owner)
    vaults.make_folder(vault, "cases")
    vaults.save_file(vault, every_key.VAULT_FILE, [b"a"])
    own = every_key.definition()
    version = version_of(own.pop("commands"), **own)
    job = launch(owner, version=version, command="every", parameters=every_key.values(), vault="mine")
    ended(job, 60)
    words = json.loads(program_output(Attempt.objects.get(task__job=job)))
    shown = job.plan["argv"][4:]
    place = shown.index("%JOBNAME%:%RANDOM64%:%UNKNOWN%")
    assert (words[:place], words[place + 1 :]) == (shown[:place], shown[place + 1 :])
    assert words[place].startswith(f"{job.name}:")
    assert words[place].endswith(":%UNKNOWN%")


# -- profiles ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="root in a container is for a worker that runs as root")
def test_granted_profiles_are_root_and_a_writable_system_and_a_vault_to_read(
    owner: User, begun: None, vault: Vault, version_of: Callable[..., Version]
) -> None:
    version = version_of({"go": probe({})})
    Version.objects.filter(pk=version.pk).update(runs_as_root=True, writable_root=True)
    version.refresh_from_db()
    job = launch(owner, version=version, command="go", parameters={}, vault="mine", vault_readonly=True)
    seen = found(job)
    assert seen["who"][:4] == ["root", "root", "0", "0"]
    assert seen["writes"] == ["/", "/etc", "/etc/JARVICE", "/opt/probe", "/tmp", "/root", "/results"]
    assert [result.path for result in job.results.all()] == ["probe"]
    assert not vaults.exists(vault, "probe")
