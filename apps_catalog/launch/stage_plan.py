"""The run plan of a stage of a job in stages: a bundle's code, started by our harness, in its own image.

Folders and variables are those of ByteNite (its apps see them as they always did). Everything a stage writes lies below
one folder, BASE: `basepath` of the early contract. What only one task has (its chunk, its number, secrets) is added when
it starts; so all tasks of a stage share one plan.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from apps_catalog.launch.harness import TEXT as HARNESS
from apps_catalog.launch.spec import Json, LaunchSpec, PlanFile, PlanLimits, PlanMount, RunPlan, Site

BASE: Final = "/job"
APP: Final = "/app"
SOURCE: Final = f"{BASE}/source"
CHUNKS: Final = f"{BASE}/chunks"
TASK: Final = f"{BASE}/task"
CHUNK: Final = f"{TASK}/data.bin"
RESULTS: Final = f"{BASE}/results"
OUTPUT: Final = f"{BASE}/output"
MISSING: Final = f"{BASE}/missing_chunks.json"
TASKS: Final = f"{BASE}/tasks.jsonl"
SHARED_CACHE: Final = "/cache/shared"
USER_CACHE: Final = "/cache/user"
START: Final = "/opt/slipway/start.py"

VARIABLES: Final[Mapping[str, Mapping[str, str]]] = {
    "partition": {"SOURCE_DIR": SOURCE, "CHUNKS_DIR": CHUNKS},
    "run": {"TASK_DIR": TASK, "TASK_RESULTS_DIR": RESULTS},
    "assemble": {"TASK_RESULTS_DIR": RESULTS, "OUTPUT_DIR": OUTPUT},
}
PARAMS: Final[Mapping[str, str]] = {
    "partition": "PARTITIONER_PARAMS",
    "run": "APP_PARAMS",
    "assemble": "ASSEMBLER_PARAMS",
}
INPUTS: Final[Mapping[str, PlanMount]] = {
    "partition": PlanMount("source", SOURCE, readonly=True),
    "run": PlanMount("chunk", CHUNK, readonly=True),
    "assemble": PlanMount("gathered", RESULTS, readonly=True),
}
WRITTEN: Final[Mapping[str, str]] = {"partition": CHUNKS, "run": RESULTS, "assemble": OUTPUT}


def stage_plan(spec: LaunchSpec, stage: str, params: Mapping[str, Json], site: Site, *, walltime_s: int) -> RunPlan:
    """What each task of a stage runs. The same bundle, parameters and site always give an equal plan."""
    home = f"/home/{site.username}"
    machine = site.machine
    return RunPlan(
        image=site.image,
        argv=("python3", START, stage, f"{APP}/{spec.entrypoint}"),
        env={
            "HOME": home,
            "USER": site.username,
            "LOGNAME": site.username,
            "PYTHONUNBUFFERED": "1",  # what it prints is in the log at once
            "PYTHONDONTWRITEBYTECODE": "1",  # its code is mounted read-only
            **VARIABLES[stage],
            PARAMS[stage]: params_text(params),
            "SHARED_CACHE_DIR": SHARED_CACHE,
            "USER_CACHE_DIR": USER_CACHE,
        },
        files=(PlanFile(START, text=HARNESS),),
        mounts=(
            PlanMount("home", home),
            PlanMount("base", BASE),
            INPUTS[stage],
            PlanMount("bundle", APP, readonly=True),
            PlanMount("shared_cache", SHARED_CACHE, readonly=True),
            PlanMount("user_cache", USER_CACHE),
            PlanMount("tmp", "/tmp"),  # noqa: S108 - of the container
        ),
        uid=site.uid,
        gid=site.gid,
        workdir=home,
        limits=PlanLimits(
            cores=machine.cores,
            memory_mib=machine.ram_mib,
            gpus=machine.gpus,
            pids=machine.pids,
            disk_mib=machine.disk_mib,
            walltime_s=walltime_s,
            network=machine.network,
        ),
        username=site.username,
        group=site.group,
        runs_as_root=site.runs_as_root,
        writable_root=site.writable_root,
        secrets=spec.secrets,
    )


def params_text(params: Mapping[str, Json]) -> str:
    """The JSON that a program finds in its variable; at least `{}`."""
    return json.dumps(params, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
