"""Runs a built-in engine as its container runs it: a program with variables and folders, the standard library alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ENGINES = Path(__file__).resolve().parents[3] / "apps_catalog" / "engines"
PARTITIONERS = ("bytes", "files", "grid", "lines", "replicas")
ASSEMBLERS = ("concat", "json", "table", "zip")


class Refused(Exception):
    """Raised where the engine ended badly: its last words."""


def partition(root: Path, name: str, params: Mapping[str, Any], source: Mapping[str, bytes]) -> list[bytes]:
    """The chunks it makes, in order. They must be numbered without a gap."""
    into, chunks = filled(root / "source", source), filled(root / "chunks", {})
    run(name, {"SOURCE_DIR": into, "CHUNKS_DIR": chunks, "PARTITIONER_PARAMS": json.dumps(params)})
    assert {path.name for path in chunks.iterdir()} == {f"data_{n}.bin" for n in range(len(list(chunks.iterdir())))}
    return [(chunks / f"data_{number}.bin").read_bytes() for number in range(len(list(chunks.iterdir())))]


def assemble(
    root: Path,
    name: str,
    params: Mapping[str, Any],
    results: Mapping[str, bytes],
    tasks: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, bytes]:
    """What it leaves. `tasks` is what the platform says of them, if anything."""
    env: dict[str, Any] = {
        "TASK_RESULTS_DIR": filled(root / "results", results),
        "ASSEMBLER_PARAMS": json.dumps(params),
    }
    env["OUTPUT_DIR"] = output = filled(root / "output", {})
    if tasks is not None:
        env["TASKS_FILE"] = root / "tasks.jsonl"
        env["TASKS_FILE"].write_text("".join(json.dumps(task) + "\n" for task in tasks))
    run(name, env)
    return {path.name: path.read_bytes() for path in output.iterdir()}


def filled(folder: Path, files: Mapping[str, bytes]) -> Path:
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def run(name: str, env: Mapping[str, Any]) -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-s", str(ENGINES / name / "app" / "main.py")],
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **{key: str(value) for key, value in env.items()}},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        assert "Traceback" not in done.stderr, done.stderr
        raise Refused(done.stderr)
