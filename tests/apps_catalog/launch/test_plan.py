"""What exactly will be executed: words, environment, files, mounts, limits."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from apps_catalog.launch.environment import job_environment, name_fault
from apps_catalog.launch.plan import plan
from apps_catalog.launch.spec import MachineSize, PlanFile, PlanMount, RunPlan, VaultMount
from tests.apps_catalog.launch.generate import definition, launch, read, site

GENERIC = {"name": "", "description": "", "required": False}
SHELLS = ["sh", "dash", "bash"]


def argv(parameters: dict[str, Any], values: dict[str, Any], **over: Any) -> tuple[str, ...]:
    raw = definition({key: {**GENERIC, **own} for key, own in parameters.items()}, **over)
    return plan(launch(read(raw), values), site()).argv


def test_each_block_keeps_the_authors_order() -> None:
    parameters = {
        "last": {"type": "STR", "value": "L"},
        "-b": {"type": "STR", "value": "B"},
        "end": {"type": "CONST", "value": "$(hostname) %CORES%"},
        "-a": {"type": "BOOL", "value": True},
        "flag": {"type": "BOOL", "value": True},
    }
    words = argv(parameters, {}, command={"path": "/bin/bash  -l"})
    assert words == ("/bin/bash", "-l", "-b", "B", "-a", "L", "$(hostname) 2", "flag")


def test_empty_values_drop_the_parameter_key_and_all() -> None:
    parameters = {
        "-s": {"type": "STR", "value": "usual"},
        "-c": {"type": "CONST", "value": ""},
        "-o": {"type": "selection", "values": ["", "x"]},
        "-m": {"type": "selection", "values": ["none", "x"], "mvalues": ["", "x"]},
        "-i": {"type": "INT", "value": 3, "min": 0, "max": 9},
    }
    assert argv(parameters, {"-s": "", "-i": None}) == ("/bin/go",)


def test_variables_and_uploads_are_not_on_the_command_line() -> None:
    parameters = {
        "name_1": {"type": "STR", "value": "it's", "variable": True},
        "n": {"type": "FLOAT", "value": "1.50", "variable": True},
        "on": {"type": "BOOL", "value": False, "variable": True},
        "empty": {"type": "STR", "value": "", "variable": True},
        "LD_PRELOAD": {"type": "CONST", "value": "x.so", "variable": True},
        "up": {"type": "UPLOAD", "target": "JARVICE/munge.key", "variable": True},
    }
    raw = definition({key: {**GENERIC, **own} for key, own in parameters.items()})
    made = plan(launch(read(raw), {"up": "QUJD"}), site())
    assert made.argv == ("/bin/go",)
    assert made.files[:2] == (
        PlanFile("/etc/JARVICE/jobenv.sh", text=":\nname_1='it'\\''s'\nn='1.5'\non='false'\n", late=True),
        PlanFile("/opt/JARVICE/munge.key", base64="QUJD"),
    )
    assert "LD_PRELOAD" not in made.env


def test_a_plan_has_the_environment_mounts_and_limits_of_its_site() -> None:
    size = MachineSize("gpu1", cores=8, ram_mib=4096, gpus=1, pids=99, disk_mib=5, network="outgoing")
    vault = VaultMount("mine", "FILE", readonly=True)
    made = plan(
        launch(read(definition()), {}, label=" trial "),
        site(machine=size, vault=vault, uid=1001, gid=1002),
    )
    assert made.env == {
        "HOME": "/home/nimbix", "USER": "nimbix", "LOGNAME": "nimbix", "RESULTS_DIR": "/results",
        "JOB_LABEL": "trial",
    }  # fmt: skip
    assert made.mounts == (
        PlanMount("home", "/home/nimbix"),
        PlanMount("results", "/results"),
        PlanMount("vault", "/data", readonly=True),
        PlanMount("tmp", "/tmp"),
    )
    limits = made.limits
    assert (limits.cores, limits.memory_mib, limits.gpus, limits.pids) == (8, 4096, 1, 99)
    assert (limits.disk_mib, limits.network) == (5, "outgoing")
    assert (made.uid, made.gid, made.workdir, made.image) == (1001, 1002, "/home/nimbix", "image")
    assert RunPlan.from_json(made.as_json()) == made


def test_without_a_vault_nothing_is_mounted_at_data() -> None:
    made = plan(launch(read(definition()), {}), site(vault=VaultMount("", "NONE")))
    assert "vault" not in {mount.kind for mount in made.mounts}


@pytest.mark.parametrize(
    ("asked", "author", "default", "limit"),
    [(None, None, 100, 100), (50, None, 100, 50), (None, 70, 100, 70), (90, 70, 100, 90), (500, None, 100, 300)],
)
def test_the_time_limit_is_asked_for_or_the_authors_or_the_sites(
    asked: int | None, author: int | None, default: int, limit: int
) -> None:
    spec = read(definition(command={"walltime": author} if author else {}))
    made = plan(launch(spec, {}, walltime_s=asked), site(walltime_default_s=default, walltime_max_s=300))
    assert made.limits.walltime_s == limit


VALUES = [
    "plain", "two  words ", " ", "it's", "''", "'", '"', "$HOME $(id) `id` ${x}", "\\", "\\n", "a\nb\n", "\n", "\t\r",
    "!!", "#no comment", "*", "~", "-n", "é ß 語 🙂 שלום", "\x01\x1b[31m\x7f", "%s %%", "a;b&c|d>e<f", "x" * 5000, "=",
]  # fmt: skip


@pytest.mark.parametrize("shell", SHELLS)
def test_sourced_by_a_real_shell_jobenv_gives_exactly_the_values(shell: str, tmp_path: Path) -> None:
    variables = {f"V{number}": value for number, value in enumerate(VALUES)}
    script = tmp_path / "jobenv.sh"
    script.write_text(job_environment(variables), newline="")
    assert script.read_text().startswith(":\n")
    printed = "printf '%s\\0' " + " ".join(f'"${name}"' for name in variables)
    done = subprocess.run([shell, "-euc", f'. "$0"; {printed}', str(script)], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == VALUES
    assert done.stderr == b""


@pytest.mark.parametrize(
    "name",
    ["LD_PRELOAD", "ld_preload", "LD_LIBRARY_PATH", "BASH_ENV", "ENV", "PATH", "IFS", "PYTHONPATH", "PYTHONSTARTUP",
     "DOCKER_HOST", "HOME", "UID", "PPID", "PS4", "NODE_OPTIONS", "PERL5OPT", "a-b", "1a", "", "a b", "a=b", "é",
     "a\n", "JOB_NAME"],
)  # fmt: skip
def test_names_that_steer_shells_and_loaders_are_never_set(name: str) -> None:
    assert name_fault(name)


@pytest.mark.parametrize("name", ["color", "XCLBIN_BITSTREAM_PROGRAM", "str_1", "_x", "LDAP", "PATHS"])
def test_ordinary_names_are_set(name: str) -> None:
    assert name_fault(name) == ""
