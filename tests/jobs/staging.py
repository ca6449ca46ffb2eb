"""What tests of staging share: an app that reads a file, and the care for a running job on an object vault."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from jobs.care import Care
from jobs.models import Attempt, Vault
from jobs.states import JobState
from tests.factories import DEFINITION, make_job, make_version

READER: dict[str, Any] = {
    **DEFINITION,
    "machines": ["*"],
    "vault-types": ["OBJECT"],
    "commands": {
        "read": {
            "path": "/bin/sh",
            "name": "Read",
            "description": "Reads.",
            "parameters": {
                "-c": {"name": "c", "description": "c", "type": "CONST", "value": "-c", "positional": True},
                "script": {"name": "s", "description": "s", "type": "STR", "positional": True, "required": True},
                "zero": {"name": "z", "description": "z", "type": "CONST", "value": "sh", "positional": True},
                "file": {"name": "f", "description": "f", "type": "FILE", "positional": True, "required": False},
            },
        }
    },
}


def care_of(vault: Vault, tmp_path: Path, *, file: str = "", disk_mib: int = 100, **over: Any) -> Care:
    """The care for a running job on this vault, as `execute` has it."""
    plan = {"uid": os.geteuid() or 505, "gid": os.getegid() or 505, "limits": {"disk_mib": disk_mib}}
    job = make_job(
        vault.owner,  # type: ignore[arg-type]
        state=JobState.RUNNING,
        vault=vault,
        version=make_version(definition=READER),
        command="read",
        parameters={"script": "true"} | ({"file": file} if file else {}),
        plan=plan,
        **over,
    )
    root = tmp_path / f"attempt-{job.number}"
    (root / "results").mkdir(parents=True)
    return Care(Attempt.objects.get(task__job=job), job, root, lambda: "", threading.Event())


def told(care: Care) -> str:
    return " ".join(care.job.events.filter(kind="storage").order_by("id").values_list("message", flat=True))


def in_data(care: Care) -> dict[str, bytes]:
    data = care.root / "data"
    return {str(path.relative_to(data)): path.read_bytes() for path in sorted(data.rglob("*")) if path.is_file()}
