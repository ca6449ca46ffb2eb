"""The plans of the real definitions, as they were when they were last found right.

The definitions themselves are not ours to keep, so golden/plans.json holds only what we make of them: digests, counts,
names and paths. After a change that is meant to change plans, look at the difference that this makes, and keep it:

    .venv/bin/python -m tests.apps_catalog.launch.goldens
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.plan import plan
from apps_catalog.launch.spec import Command, LaunchSpec, MachineSize, PlanConnect, RunPlan
from tests.apps_catalog.launch.corpus import FILES
from tests.apps_catalog.launch.generate import fill, launch, machine_of, site

GOLDEN = Path(__file__).parent / "golden" / "plans.json"


def made(spec: LaunchSpec, command: Command, *, optional: bool) -> RunPlan:
    """The plan of a submission with made-up values, on a machine type that the author's first glob takes."""
    name = machine_of(spec, command)
    values = fill(command, optional=optional)
    machine = MachineSize(name, cores=4, ram_mib=8192, gpus=1)
    place = site(machine=machine, user="ada", api_url="https://portal.example/api", trusted=True)
    return plan(launch(spec, values, command.key, machine=name, label="golden"), place)


def told(plan: RunPlan) -> dict[str, Any]:
    """What of a plan is kept: its digest says whether it changed, the rest where to look."""
    words = "\0".join(plan.argv).encode("utf-8", "surrogatepass")
    return {
        "digest": plan.digest,
        "words": len(plan.argv),
        "argv": hashlib.sha256(words).hexdigest(),
        "authored": list(plan.authored),
        "expanded": list(plan.expanded),
        "env": sorted(plan.env),
        "variables": [variable.name for variable in plan.variables],
        "files": [file.path for file in plan.files],
        "connect": connect_told(plan.connect),
        "published": list(plan.published),
    }


def connect_told(connect: PlanConnect | None) -> list[Any] | None:
    """Kind, port, where it is from, and the path; an author's path beyond its file name only as a digest."""
    if connect is None:
        return None
    path, _, query = connect.path.partition("?")
    return [connect.kind, connect.port, connect.source, path, hashlib.sha256(query.encode()).hexdigest()[:16]]


def plans() -> dict[str, dict[str, Any]]:
    """ "<file>: <command>, <values>" -> its plan: with the values that must be given ("least"), and with all ("most")."""
    found: dict[str, dict[str, Any]] = {}
    for path in FILES:
        spec = read_appdef(path.read_bytes()).spec
        if spec is None:
            continue
        for key, command in spec.commands.items():
            for which, optional in (("least", False), ("most", True)):
                found[f"{path.name}: {key}, {which}"] = told(made(spec, command, optional=optional))
    return found


def kept() -> dict[str, dict[str, Any]]:
    return json.loads(GOLDEN.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


if __name__ == "__main__":
    lines = (f"{json.dumps(name)}: {json.dumps(plan)}" for name, plan in sorted(plans().items()))
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
