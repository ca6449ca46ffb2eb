"""What a shell makes of a bound plan: its start script and its files, run here in place of a container."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from apps_catalog.launch.binding import JobValues
from apps_catalog.launch.jobfiles import FOLDER
from apps_catalog.launch.spec import RunPlan

DUMP = "import json, os, sys; print(json.dumps([os.fsencode(word).hex() for word in sys.argv[1:]]))"
SHELLS = ("sh", "dash", "bash")
JOB = JobValues(
    name="20260102030405-ABCDE-app-ada_s1",
    random128="r" * 128,
    password="pass-word",
    hosts=("node-0", "node-1"),
    private_ip="10.0.0.2",
    api_key="key-of-this-job",
)


def words(bound: RunPlan, shell: str, folder: Path, env: Mapping[str, str] | None = None) -> list[str]:
    """The words that the program of a bound plan is given, its path included, when `shell` is the container's /bin/sh."""
    for file in bound.files:
        if file.path.startswith(FOLDER):
            (folder / Path(file.path).name).write_bytes(file.text.replace(FOLDER, str(folder)).encode())
    argv = list(bound.argv)
    if argv[:2] == ["/bin/sh", f"{FOLDER}/start.sh"]:
        script = folder / "start.sh"
        # The program is ours, whatever the plan names: it takes the plan's whole command line as its arguments.
        ours = f'exec {sys.executable} -c "$dump" "$@"'
        script.write_text(script.read_text().replace('exec "$@"', ours), newline="")
        argv = [shell, str(script), *argv[2:]]
    else:
        argv = [sys.executable, "-c", DUMP, *argv]
    done = subprocess.run(
        argv, capture_output=True, check=True, env={"PATH": os.environ["PATH"], "dump": DUMP, **(env or {})}
    )
    assert done.stderr == b""
    return [bytes.fromhex(word).decode() for word in json.loads(done.stdout)]


def sourced(text: str, names: list[str], shell: str) -> list[str]:
    """The values that names have after a shell has sourced a text."""
    printed = "\nprintf '%s\\0' " + " ".join(f'"${{{name}}}"' for name in names)
    done = subprocess.run([shell, "-s"], input=(text + printed).encode(), capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout.decode().split("\0")[:-1]
